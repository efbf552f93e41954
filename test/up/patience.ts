import { availableParallelism, loadavg } from 'node:os'

/**
 * A promise in milliseconds as a test may hold the machine to it that it runs on: what it takes of a processor takes
 * longer where more wants to run than there are processors.
 */
export const promisedMs = (ms: number): number =>
  ms * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())
