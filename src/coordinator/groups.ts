/**
 * Who speaks for a group of leases. A front that manages a group (a fleeting plugin) holds its name by a call that it
 * keeps open: when the front dies its connection closes and the name is free, when the coordinator restarts the front
 * calls again. A second one is refused, so that no two ever manage the same leases.
 *
 *   free ──hold──► held (a call is open) ◄──► held (between two calls, GRACE_MS at most) ──► free
 *                      └──────────the caller is gone──────────► free
 */
import { type Clock, SlipwayError, sleep } from '../model/index.ts'
import type { Caller } from './callers.ts'

export interface GroupHold {
  readonly group: string
  /** Names the front's process. */
  readonly holder: string
  /** True once it has held the group before: it goes first after a restart of the coordinator. */
  readonly again: boolean
  readonly waitMs: number
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal
}

interface Held {
  readonly holder: string
  calls: number
  /** Monotonic: free from then on, when no call is open. */
  untilMs: number
}

/** From one call of a holder to its next. */
const GRACE_MS = 5_000
/** After a start of the coordinator, those who held a group before have this long to say so. */
const SETTLE_MS = 3_000
const GROUPS_MAX = 10_000

export class Groups {
  readonly #clock: Clock
  readonly #startedAtMs: number
  readonly #held = new Map<string, Held>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAtMs = clock.now()
  }

  /** Holds the group for `waitMs` and a moment longer; throws `group_held` while somebody else does. */
  async hold(caller: Caller, { group, holder, again, waitMs, signal }: GroupHold): Promise<void> {
    const key = `${caller.runner}/${group}`
    const held = this.#take(key, { group, holder, again })
    held.calls += 1
    await sleep(this.#clock, waitMs, signal).catch(() => undefined)
    held.calls -= 1
    if (!signal.aborted) held.untilMs = this.#clock.now() + GRACE_MS
    else if (held.calls === 0) this.#held.delete(key)
  }

  #take(key: string, { group, holder, again }: Pick<GroupHold, 'group' | 'holder' | 'again'>): Held {
    const now = this.#clock.now()
    const known = this.#held.get(key)
    if (known && (known.calls > 0 || known.untilMs > now)) {
      if (known.holder === holder) return known
      throw new SlipwayError('group_held', { group })
    }
    if (!again && now - this.#startedAtMs < SETTLE_MS) throw new SlipwayError('group_held', { group })
    for (const [each, { calls, untilMs }] of this.#held)
      if (calls === 0 && untilMs <= now) this.#held.delete(each)
    if (this.#held.size >= GROUPS_MAX)
      throw new SlipwayError('too_busy', { what: 'the list of groups', limit: GROUPS_MAX })
    const made: Held = { holder, calls: 0, untilMs: now }
    this.#held.set(key, made)
    return made
  }
}
