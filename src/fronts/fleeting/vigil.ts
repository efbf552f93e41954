/** What goes on beside the runner's calls, from Init to the end: the group's leases stay alive, its name stays ours. */
import { type Clock, failureText, SlipwayError, sleep } from '../../model/index.ts'
import type { Group } from './group.ts'
import { failureFields, type Log } from './log.ts'
import { keepName, type NameHold } from './name-hold.ts'

export interface VigilParts {
  readonly group: Group
  readonly hold: NameHold
  readonly clock: Clock
  readonly log: Log
  readonly ttlMs: number
}

/** Heartbeats in a time to live: some may fail. */
const BEATS_PER_TTL = 6
const BEAT_MS_MAX = 15_000
/** The same reason is told again this often. */
const REMIND_MS = 60_000

/** Runs until `signal` aborts; throws `group_held` when another plugin has taken the group over. */
export async function keepVigil(parts: VigilParts, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const inner = AbortSignal.any([signal, over.signal])
  try {
    await Promise.race([keepName(parts.hold, inner), keepAlive(parts, inner)])
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    over.abort(new SlipwayError('cancelled', { what: 'the heartbeat' }))
  }
}

async function keepAlive({ group, clock, log, ttlMs }: VigilParts, signal: AbortSignal): Promise<never> {
  const everyMs = Math.min(BEAT_MS_MAX, ttlMs / BEATS_PER_TTL)
  let said = { text: '', atMs: 0 }
  for (;;) {
    try {
      const leases = await group.leases(signal)
      await group.touch(leases, signal)
      const waiting = leases.filter(({ state }) => state === 'waiting')
      const reason = waiting.find(({ waiting: wait }) => wait?.reason !== undefined)?.waiting?.reason
      const text = reason === undefined ? '' : failureText(reason)
      if (text !== '' && (text !== said.text || clock.now() - said.atMs > REMIND_MS)) {
        log.info('machines wait', { count: waiting.length, code: reason?.code ?? '', reason: text })
        said = { text, atMs: clock.now() }
      }
    } catch (error) {
      signal.throwIfAborted()
      log.warn('the leases could not be kept alive; will try again', failureFields(error))
    }
    await sleep(clock, everyMs, signal)
  }
}
