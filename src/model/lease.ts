/**
 * A front's claim on one machine.
 *
 *   waiting ──grant──► granted ──release / expiry / loss──► ended
 *      └────────────cancel / failure / expiry───────────────► ended
 *
 * A waiting lease owns no machine. Leases live in the store; an ended one keeps why, and frees its name.
 */
import type { Failure } from './error.ts'
import type { FlavorName, HostId, LeaseId, LeaseName, MachineId, TrustDomain } from './id.ts'

/** Who asks: written by the operator on the token, plus what the front says of itself. */
export interface Owner {
  readonly runner: string
  readonly trustDomain: TrustDomain
}

interface Claim {
  readonly id: LeaseId
  readonly name: LeaseName
  readonly owner: Owner
  readonly flavor: FlavorName
  /** An image of the flavor's choice when absent. Written by the front, checked against its token. */
  readonly image?: string
  /** Without a heartbeat for this long the lease ends. Written by the front. */
  readonly ttlMs: number
  /** When the front asked, wall clock. */
  readonly askedAtMs: number
  /** Last heartbeat; monotonic time of this coordinator run. */
  readonly aliveAtMs: number
  /** Machines that failed in the making while this lease stood first in the queue. */
  readonly attempts: number
}

/** How names of leases begin whose front reckons for itself how many machines it keeps: GitLab Runner's fleeting plugin. */
export const FLEETING_PREFIX = 'fleeting'

/** A policy of ours does not go by such leases: there are never two autoscalers to one pool. */
export const hasOwnAutoscaler = ({ name }: Pick<Claim, 'name'>): boolean =>
  name.startsWith(`${FLEETING_PREFIX}.`)

/** Why a lease is over. `released` is the ordinary end. */
export type LeaseEnd = 'released' | 'expired' | 'failed' | 'lost'

export type Lease =
  | (Claim & { readonly state: 'waiting' })
  | (Claim & {
      readonly state: 'granted'
      readonly machine: MachineId
      readonly host: HostId
      readonly grantedAtMs: number
    })
  | (Claim & {
      readonly state: 'ended'
      readonly end: LeaseEnd
      readonly endedAtMs: number
      readonly machine?: MachineId
      /** Absent: it never had one. */
      readonly grantedAtMs?: number
      readonly failure?: Failure
    })
