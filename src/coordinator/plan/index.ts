export { plan } from './plan.ts'
export type { DoomReason, GrantedLease, HeldMachine, Step, Trouble, View, WaitingLease } from './view.ts'
