/** What the plan sees, and what it may ask for. Data only. */
import type {
  Failure,
  Flavor,
  FlavorName,
  HostFacts,
  HostId,
  ImageDigest,
  Lease,
  LeaseEnd,
  LeaseId,
  Machine,
  MachineId,
  MachineSpec,
  Reservation,
  ReservationId,
  TrustDomain,
} from '../../model/index.ts'
import type { Standing } from '../policy/index.ts'

export type WaitingLease = Extract<Lease, { state: 'waiting' }>
export type GrantedLease = Extract<Lease, { state: 'granted' }>

/** A machine with what only the coordinator knows of it. */
export interface HeldMachine extends Machine {
  readonly host: HostId
  /** Monotonic; when it was named, or found after a restart. */
  readonly namedAtMs: number
  /** Monotonic; when `state` last changed. */
  readonly stateAtMs: number
  /** Its host has reported it ready once. */
  readonly made: boolean
  /** The first generation of its host's wanted set that says what is wanted of it now. */
  readonly since: number
}

export interface PlanHost {
  readonly host: HostId
  /** False: its agent is away, and may come back. Nothing is granted or made there meanwhile. */
  readonly connected: boolean
  readonly facts?: HostFacts
}

/** A host keeps failing to make machines of a flavor from an image: since when, and until when it rests. */
export interface Trouble {
  readonly host: HostId
  readonly flavor: FlavorName
  readonly image: ImageDigest
  readonly failures: number
  readonly lastAtMs: number
  readonly untilMs: number
  readonly failure: Failure
}

export interface View {
  readonly flavors: ReadonlyMap<FlavorName, Flavor>
  /** Trust domains that idle machines of a flavor are kept for. */
  readonly domains: ReadonlyMap<FlavorName, readonly TrustDomain[]>
  /** What the policies of this moment say; a flavor without one keeps its `idle` machines. */
  readonly standings: ReadonlyMap<FlavorName, Standing>
  /** In the order they were asked for. */
  readonly leases: readonly (WaitingLease | GrantedLease)[]
  readonly hosts: readonly PlanHost[]
  readonly machines: readonly HeldMachine[]
  readonly reservations: readonly Reservation[]
  readonly troubles: readonly Trouble[]
}

/** Why a machine must go. */
export type DoomReason =
  /** More are ready than the pool wants. */
  | 'surplus'
  /** Another pool's job needs the room. */
  | 'room'
  /** Its image or its flavor has changed since it was made. */
  | 'stale'
  /** Its host could not reach it for too long. */
  | 'suspect'

export type Step =
  /** The lease is over; its machine, if it has one, is doomed with it. */
  | {
      readonly do: 'end'
      readonly lease: LeaseId
      readonly end: LeaseEnd
      readonly failure: Failure
    }
  | { readonly do: 'grant'; readonly lease: LeaseId; readonly machine: MachineId }
  | { readonly do: 'doom'; readonly machine: MachineId; readonly why: DoomReason }
  /** Give a free reservation back. */
  | { readonly do: 'drop'; readonly reservation: ReservationId }
  /** A new machine in a free reservation. */
  | { readonly do: 'name'; readonly reservation: ReservationId; readonly spec: MachineSpec }
  /** New room on the host, and a new machine in it. */
  | { readonly do: 'reserve'; readonly host: HostId; readonly spec: MachineSpec }
  /** The lease goes on waiting, and why. */
  | {
      readonly do: 'wait'
      readonly lease: LeaseId
      readonly position: number
      readonly making: number
      readonly reason?: Failure
    }
