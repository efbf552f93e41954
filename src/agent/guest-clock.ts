/**
 * A guest's wall clock, set by its kit and read back through its agent.
 *
 *   kit sets it to now + lead ─► read between two looks at our own ─► near enough? ─► done
 *            ▲                                                          │ no: learn the lead
 *            └──────────────────────────────────────────────────────────┘
 *
 * The lead is how long a program takes to start in a guest: 5 ms with hardware virtualization, 200 ms and more without.
 * It is learned, so that only the first machines of an agent need a second setting.
 */
import { type Clock, type MachineId, SlipwayError } from '../model/index.ts'
import type { GuestChannel } from './drivers/driver.ts'

/** How far a ready guest's clock may be from ours (TLS, tokens and logs bear more). */
const OFF_MS_MAX = 100
/** A guest that is further off after the last try does not keep time, or lies. */
const OFF_MS_GIVEN_UP = 1_000
const TRIES = 3

export interface Correction {
  readonly machine: MachineId
  readonly channel: GuestChannel
  /** Sets the guest's clock to this wall time, ms. */
  readonly set: (wallMs: number) => Promise<void>
  readonly signal: AbortSignal
  readonly deadlineMs: number
}

export class GuestClock {
  readonly #clock: Clock
  #leadMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What a kit that is asked now should set. */
  target(): number {
    return this.#clock.wall() + this.#leadMs
  }

  /** Reads the clock that was just set, and sets it again while it is off. Throws `guest_misbehaved`. */
  async settle({ machine, channel, set, signal, deadlineMs }: Correction): Promise<void> {
    for (let left = TRIES; ; left--) {
      const aheadMs = await this.#ahead(() => channel.time({ signal, deadlineMs }))
      if (Math.abs(aheadMs) <= OFF_MS_MAX) return
      if (left === 1) {
        if (Math.abs(aheadMs) <= OFF_MS_GIVEN_UP) return
        throw new SlipwayError('guest_misbehaved', {
          machine,
          what: `a clock that is ${Math.round(aheadMs)} ms off`,
        })
      }
      this.#leadMs = Math.min(Math.max(this.#leadMs - aheadMs, 0), OFF_MS_GIVEN_UP)
      await set(this.target())
    }
  }

  /** How far the guest's clock is ahead of ours, to within half the time it took to ask. */
  async #ahead(ask: () => Promise<number>): Promise<number> {
    const beforeMs = this.#clock.wall()
    const guestMs = await ask()
    return guestMs - (beforeMs + this.#clock.wall()) / 2
  }
}
