/**
 * Slipway for one command: `slipway up` as a child in a session of its own. A pipe ties it to this process: when the
 * pipe closes, the lease whose name was written to it is released, and Slipway stops once no other lease lives. So
 * nothing this process dies of can leave anything behind.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Client } from '../api/index.ts'
import { SlipwayError, sleep, systemClock, within } from '../model/index.ts'
import { problemOf } from './failure.ts'
import { spawnSelf } from './self.ts'

const START_DEADLINE_MS = 120_000
const STOP_DEADLINE_MS = 60_000
const LOOK_MS = 200

export interface Alone {
  /** Closes the pipe and waits until Slipway has stopped, or others are found to use it. */
  end(): Promise<void>
}

export interface AloneOptions {
  readonly config: string
  /** Ends with this process. */
  readonly lease: string
  readonly client: Client
  readonly signal: AbortSignal
}

/** Resolves once Slipway is ready; throws what it says it failed of. */
export async function startAlone(options: AloneOptions): Promise<Alone> {
  const { config, lease, client, signal } = options
  const child = spawnSelf({
    args: ['--config', config, 'up', '--while-stdin', '--json'],
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const [stdin, stdout, stderr] = child.stdio
  if (!stdin || !stdout || !stderr) throw new Error('bug: a child without pipes')
  stdin.on('error', () => undefined)
  stdin.write(`${lease}\n`)
  const exited = once(child, 'exit')
  const failed = lastProblem(stderr).then((problem) => Promise.reject(problem ?? silentEnd()))
  failed.catch(() => undefined)
  const end = async (): Promise<void> => {
    stdin.end()
    const waited = new AbortController()
    await Promise.race([exited, usedByOthers(client, waited.signal)])
    waited.abort()
    for (const stream of [stdout, stderr]) stream.destroy()
    child.unref()
  }
  try {
    await within({ step: 'starting Slipway', deadlineMs: START_DEADLINE_MS, signal }, (inner) =>
      Promise.race([once(stdout, 'data', { signal: inner }), failed]),
    )
    stdout.resume()
    return { end }
  } catch (error) {
    await end()
    throw signal.aborted ? signal.reason : error
  }
}

const silentEnd = (): SlipwayError =>
  new SlipwayError('host_setup', { object: 'Slipway', detail: 'it ended without a word' })

/** Slipway's last words, once it has closed its stderr. */
async function lastProblem(stderr: Readable): Promise<SlipwayError | undefined> {
  let problem: SlipwayError | undefined
  for await (const line of createInterface({ input: stderr })) problem = problemOf(line) ?? problem
  return problem
}

/** Resolves when somebody else's lease keeps Slipway up, or the deadline is over. */
async function usedByOthers(client: Client, signal: AbortSignal): Promise<void> {
  const giveUpAt = systemClock.now() + STOP_DEADLINE_MS
  while (systemClock.now() < giveUpAt && !signal.aborted) {
    const health = await client.call('health', { signal }).catch(() => undefined)
    if (health !== undefined && health.leases.granted + health.leases.waiting > 0) return
    await sleep(systemClock, LOOK_MS, signal).catch(() => undefined)
  }
}
