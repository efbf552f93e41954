/** One direction of a connection, and what becomes of its frames: lost, late, doubled, out of order. */
import type { Clock } from '../../src/model/index.ts'
import type { Random } from './random.ts'

/** How bad a network is. All zero is a perfect one. */
export interface Weather {
  readonly loss: number
  readonly doubling: number
  readonly delayMsMax: number
  /** False: a frame may overtake another. TCP would not allow it; the protocol must not care. */
  readonly ordered: boolean
}

export const FAIR: Weather = { loss: 0, doubling: 0, delayMsMax: 5, ordered: true }

export interface Wire {
  send(text: string): void
  /** What is under way never arrives. */
  cut(): void
}

export interface WireOptions {
  readonly clock: Clock
  readonly random: Random
  /** Asked per frame: weather changes. */
  readonly weather: () => Weather
  readonly deliver: (text: string) => void
}

export function wire({ clock, random, weather, deliver }: WireOptions): Wire {
  let open = true
  let lastAtMs = 0
  const carry = (text: string): void => {
    const { delayMsMax, ordered } = weather()
    const drawnMs = clock.now() + random.next() * delayMsMax
    const atMs = ordered ? Math.max(drawnMs, lastAtMs) : drawnMs
    lastAtMs = Math.max(lastAtMs, atMs)
    clock.after(atMs - clock.now(), () => open && deliver(text))
  }
  return {
    send(text) {
      const { loss, doubling } = weather()
      if (!open || random.chance(loss)) return
      carry(text)
      if (random.chance(doubling)) carry(text)
    },
    cut() {
      open = false
    },
  }
}
