/** How fast machines of a flavor may be made. */

export type Throttle =
  | { readonly kind: 'none' }
  /** `MaxGrowthRate`: so many in the making at a time. */
  | { readonly kind: 'at-once'; readonly machines: number }
  /** taskscaler's `scale_throttle`: so many a second, up to `burst` after a pause. */
  | { readonly kind: 'per-second'; readonly limit: number; readonly burst: number }

/** What a throttle remembers: what was left in its bucket, and when. Full at the start. */
export interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

/** The bucket at monotonic time `now`. */
export function refill(throttle: Throttle, bucket: Bucket | undefined, now: number): Bucket {
  if (throttle.kind !== 'per-second') return { tokens: 0, atMs: now }
  const { limit, burst } = throttle
  const grown = bucket ? bucket.tokens + ((now - bucket.atMs) / SECOND_MS) * limit : burst
  return { tokens: Math.min(burst, grown), atMs: now }
}

/** How many machines may be named now, when `making` are in the making. */
export function allowance(
  throttle: Throttle,
  { making, bucket }: { readonly making: () => number; readonly bucket: Bucket },
): number {
  switch (throttle.kind) {
    case 'none':
      return Number.POSITIVE_INFINITY
    case 'at-once':
      return Math.max(0, throttle.machines - making())
    case 'per-second':
      return Math.max(0, Math.floor(bucket.tokens))
  }
}

const SECOND_MS = 1_000
