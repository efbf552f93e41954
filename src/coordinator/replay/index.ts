/** Trying a policy on a day of jobs, on virtual time. */
export { type Replay, replay } from './replay.ts'
export type { FlavorTally, TallyReport } from './tally.ts'
export { parseTrace, type TraceDefaults, type TraceJob } from './trace.ts'
