/** A pipe from a parent: names of leases that end with it, line by line, and its end as the sign that it is gone. */
import { createInterface } from 'node:readline'
import type { Client } from '../../api/index.ts'
import { isId, type LeaseName, sleep, systemClock } from '../../model/index.ts'
import { release } from '../lease.ts'

const LOOK_MS = 300
/** A coordinator that says nothing for so long is asked again. */
const ANSWER_MS = 5_000

/** Resolves when `stdin` has ended, its leases are released, and no other lease lives. */
export async function usersGone(
  stdin: NodeJS.ReadableStream,
  client: Client,
  signal: AbortSignal,
): Promise<void> {
  const names = await readNames(stdin, signal)
  while (!signal.aborted) {
    // Each time: what the parent asked for with its last breath may arrive after its end is known.
    for (const name of names) await release(client, name)
    // A coordinator that is being started again does not answer; its leases are not gone for that.
    const answer = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)])
    const health = await client.call('health', { signal: answer }).catch(() => undefined)
    if (health !== undefined && health.leases.granted + health.leases.waiting === 0) return
    await sleep(systemClock, LOOK_MS, signal).catch(() => undefined)
  }
}

async function readNames(stdin: NodeJS.ReadableStream, signal: AbortSignal): Promise<readonly LeaseName[]> {
  const names: LeaseName[] = []
  const lines = createInterface({ input: stdin })
  signal.addEventListener('abort', () => lines.close(), { once: true })
  for await (const line of lines) if (isId('LeaseName', line)) names.push(line)
  return names
}
