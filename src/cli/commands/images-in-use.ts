/** Which images machines run from, or are about to: what the host remembers, and what its coordinator wants. */
import { type AgentConfig, imagesInUse } from '../../agent/index.ts'
import type { ImageDigest } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { isUnreachable, reach } from '../reach.ts'
import { isRoot } from '../root.ts'

export async function machinesPerImage(
  call: Call,
  config: AgentConfig,
): Promise<ReadonlyMap<ImageDigest, number>> {
  const counts = await wanted(call)
  // Their records hold keys, and are root's alone.
  if (isRoot()) {
    for (const [image, count] of await imagesInUse(config)) {
      counts.set(image, Math.max(count, counts.get(image) ?? 0))
    }
  }
  return counts
}

async function wanted(call: Call): Promise<Map<ImageDigest, number>> {
  const counts = new Map<ImageDigest, number>()
  try {
    const { machines } = await (await reach(call)).call('machineList', { signal: call.io.signal })
    for (const { spec } of machines) counts.set(spec.image, (counts.get(spec.image) ?? 0) + 1)
  } catch (error) {
    if (!isUnreachable(error)) throw error
  }
  return counts
}
