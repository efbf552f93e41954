import { type Clock, sleep } from '../../model/index.ts'

const RETRY_MS = 1_000
const TRIES_MAX = 60

/**
 * Destroys what was booted to be frozen, as often as it takes: its room counts as taken until this resolves. A host
 * that lets nothing be destroyed for a minute has other troubles; from then on it is a stray, for the reaper.
 */
export async function untilGone({
  clock,
  destroy,
}: {
  readonly clock: Clock
  readonly destroy: () => Promise<void>
}): Promise<void> {
  for (let tries = 1; tries <= TRIES_MAX; tries++) {
    try {
      return await destroy()
    } catch {
      await sleep(clock, RETRY_MS)
    }
  }
}
