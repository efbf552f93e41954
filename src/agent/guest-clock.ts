/**
 * A guest's wall clock: read between two looks at our own, shifted by its kit, read again.
 *
 *   behind by? ─► the kit shifts it by that ─► behind by? ─► near enough ─► done
 *                        ▲                          │ no
 *                        └──────────────────────────┘
 *
 * A difference and not a time is what the kit is told: nobody knows beforehand when it will get round to it.
 */
import { type Clock, type MachineId, SlipwayError } from '../model/index.ts'

/** How far a ready guest's clock may be from ours (TLS, tokens and logs bear more). */
const OFF_MS_MAX = 100
/** A guest that is further off after the last try does not keep time, or lies. */
const OFF_MS_GIVEN_UP = 1_000
const TRIES = 3
/** A reading that took longer is taken again: the guest may have been asked while it booted. */
const READING_MS_MAX = 150

/** Reads the guest's clock, ms since 1970. */
export type ReadClock = () => Promise<number>

/** How far the guest's clock is behind ours, ms, to within half of the quickest reading. */
export async function clockBehind(clock: Clock, read: ReadClock): Promise<number> {
  let best = { tookMs: Number.POSITIVE_INFINITY, behindMs: 0 }
  for (let tries = 0; tries < TRIES && best.tookMs > READING_MS_MAX; tries++) {
    const beforeMs = clock.wall()
    const guestMs = await read()
    const afterMs = clock.wall()
    const tookMs = afterMs - beforeMs
    if (tookMs < best.tookMs) best = { tookMs, behindMs: (beforeMs + afterMs) / 2 - guestMs }
  }
  return best.behindMs
}

export interface Correction {
  readonly machine: MachineId
  readonly read: ReadClock
  /** Moves the guest's clock by so much, ms. */
  readonly shift: (byMs: number) => Promise<void>
  /** As it was read when the clock was set: no question is asked if that was near enough. */
  readonly behindMs: number
}

/** Sets the clock again while it is off. Throws `guest_misbehaved`. */
export async function settleClock(clock: Clock, correction: Correction): Promise<void> {
  const { machine, read, shift } = correction
  if (Math.abs(correction.behindMs) <= OFF_MS_MAX) return
  for (let left = TRIES; ; left--) {
    const behindMs = await clockBehind(clock, read)
    if (Math.abs(behindMs) <= OFF_MS_MAX) return
    if (left === 0) {
      if (Math.abs(behindMs) <= OFF_MS_GIVEN_UP) return
      const what = `a clock that is ${Math.round(-behindMs)} ms off`
      throw new SlipwayError('guest_misbehaved', { machine, what })
    }
    await shift(behindMs)
  }
}
