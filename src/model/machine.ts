/**
 * One VM, named by the coordinator, made by its host, serving one lease ever.
 *
 * As its host reports it:
 *
 *   creating ──► ready ◄──► suspect        suspect: a ping was missed; never granted
 *      │           │            │
 *      ▼           ▼            ▼
 *    failed       lost         lost         reported until the coordinator no longer wants the machine
 *
 * Absent from the wanted set: destroyed, then absent from the report ("gone"). The frames of reports are in `api`.
 */
import type { MachineSpec } from './flavor.ts'
import type { LeaseId, MachineId, ReservationId } from './id.ts'
import type { Secret } from './secret.ts'

/** What a machine showed of itself when it was made unique: no two ever show the same. Written by its agent. */
export interface Marks {
  readonly machineId: string
  readonly hostname: string
  /** Hash of what the guest's own generator gave, with a salt that is its host's for good. */
  readonly sample: string
}

/** How to reach a ready machine. Written by its agent, readable by the lease's owner until release. */
export interface Access {
  readonly address: string
  readonly port: number
  readonly user: string
  /** `ssh-ed25519 AAAA…`, made in the guest, read back by the agent: the only key a front may accept. */
  readonly hostKey: string
  /** OpenSSH private key, made by the agent for this machine alone. */
  readonly privateKey: Secret<string>
  /** For the coordinator alone. */
  readonly marks?: Marks
}

/** One step in the making of a machine, with the time since it was wanted. Written by its agent. */
export interface TimelineStep {
  readonly step: string
  readonly atMs: number
}

/** One entry of a host's wanted set. Written by the coordinator. */
export interface WantedMachine {
  readonly machine: MachineId
  readonly reservation: ReservationId
  readonly spec: MachineSpec
  /** True once the host has reported it made: from then on its absence is a loss, not work to do. */
  readonly made: boolean
}

/** A machine as the coordinator holds it. Written by the plan's executor and by reports. */
export interface Machine {
  readonly machine: MachineId
  readonly reservation: ReservationId
  readonly spec: MachineSpec
  readonly createdAtMs: number
  /** `named` until its host first speaks of it; `doomed` = left the wanted set, not yet reported gone. */
  readonly state: 'named' | 'creating' | 'ready' | 'suspect' | 'leased' | 'doomed'
  readonly readyAtMs?: number
  readonly lease?: LeaseId
  readonly timeline: readonly TimelineStep[]
  readonly access?: Access
}
