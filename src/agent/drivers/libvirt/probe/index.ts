export { type Acceleration, probeAcceleration } from './acceleration.ts'
export { type Cloning, probeCloning } from './cloning.ts'
export { type Programs, probePrograms } from './programs.ts'
