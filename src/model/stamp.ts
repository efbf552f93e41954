/** Orders wanted sets: a higher epoch (coordinator start) wins, then a higher generation. Written by the coordinator. */
export interface Stamp {
  readonly epoch: number
  readonly generation: number
}

/** Below zero when `a` is older than `b`, zero when equal. */
export const compareStamps = (a: Stamp, b: Stamp): number => a.epoch - b.epoch || a.generation - b.generation

/** Older than every stamp a coordinator makes. */
export const STAMP_ZERO: Stamp = { epoch: 0, generation: 0 }
