export { plan } from './plan.ts'
export { fitsFlavor, newestImage } from './pool.ts'
export { SUSPECT_MS_MAX } from './trim.ts'
export type {
  DoomReason,
  GrantedLease,
  HeldMachine,
  PlanHost,
  Step,
  Trouble,
  View,
  WaitingLease,
} from './view.ts'
