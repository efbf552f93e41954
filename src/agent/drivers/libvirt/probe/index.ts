export { type Acceleration, probeAcceleration } from './acceleration.ts'
export { type Programs, probePrograms } from './programs.ts'
