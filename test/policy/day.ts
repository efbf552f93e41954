/** A drawn day of jobs: quiet nights, two peaks, and now and then a pipeline that asks for many at once. */

import type { TraceJob } from '../../src/coordinator/index.ts'
import { type FlavorName, parseId } from '../../src/model/index.ts'

const DAY_S = 24 * 3_600
const START_MS = Date.parse('2026-11-23T00:00:00Z')
const trustDomain = parseId('TrustDomain', 'shop')

/** `count` jobs, the same for the same seed. */
export function drawnDay({
  count,
  seed,
  flavor,
}: {
  readonly count: number
  readonly seed: number
  readonly flavor: FlavorName
}): TraceJob[] {
  const random = mulberry(seed)
  const jobs: TraceJob[] = []
  while (jobs.length < count) {
    const second = random() * DAY_S
    if (random() > busy(second / 3_600)) continue
    const burst = random() < 0.01 ? 20 + Math.floor(random() * 80) : 1
    for (let n = 0; n < burst && jobs.length < count; n += 1) {
      // Most jobs are short, a few are long.
      const durationMs = Math.round(20_000 + 180_000 * -Math.log(1 - random()))
      jobs.push({
        askedAtMs: START_MS + Math.round((second + random() * 5) * 1_000),
        durationMs,
        flavor,
        trustDomain,
      })
    }
  }
  return jobs.sort((a, b) => a.askedAtMs - b.askedAtMs)
}

const busy = (hour: number): number =>
  0.1 + 0.6 * Math.exp(-((hour - 10.5) ** 2) / 4) + 0.5 * Math.exp(-((hour - 15) ** 2) / 6)

function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
