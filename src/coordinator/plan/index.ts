export { plan } from './plan.ts'
export { DEMAND_MS_MAX, standingOf } from './templates.ts'
export type {
  AskedFor,
  DoomReason,
  GrantedLease,
  HeldBuild,
  HeldMachine,
  Step,
  Trouble,
  UnbuildReason,
  View,
  WaitingLease,
  Wish,
} from './view.ts'
