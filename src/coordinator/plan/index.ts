export { plan } from './plan.ts'
export { makePool, newestImage, specFor } from './pool.ts'
export { DEMAND_MS_MAX } from './templates.ts'
export type {
  AskedFor,
  DoomReason,
  GrantedLease,
  HeldBuild,
  HeldMachine,
  Naming,
  Step,
  Trouble,
  UnbuildReason,
  View,
  WaitingLease,
  Wish,
} from './view.ts'
export { renewWishes } from './wishes.ts'
