export interface BackOff {
  /** Pause before the first new attempt. */
  readonly firstMs: number
  /** The pause doubles with each failure up to this. */
  readonly maxMs: number
}

/** Connecting to a unix socket costs next to nothing, so that a restarted libvirtd is found within 2 s. */
export const BACK_OFF_DEFAULT: BackOff = { firstMs: 50, maxMs: 2_000 }

/**
 * Pause before the next attempt after `failures` in a row (0 right after a loss): doubled each time,
 * and shortened by up to half so that clients of one daemon do not return in step. `random` is in [0, 1).
 */
export function backOffMs({ firstMs, maxMs }: BackOff, failures: number, random: number): number {
  const full = Math.min(maxMs, firstMs * 2 ** failures)
  return full - (full / 2) * random
}

/** Failures in a row after a connection that lasted `livedMs`: one that fell over as soon as it stood is no success. */
export function failuresAfter({ maxMs }: BackOff, failures: number, livedMs: number): number {
  return livedMs < maxMs ? failures + 1 : 0
}
