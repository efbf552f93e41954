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
  TemplateShape,
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
  /** Leases that it has served already, where its flavor's operator lets it serve several; absent: none. */
  readonly leasesServed?: number
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

/** Room on a host in which a template is built, one at a time. */
export interface HeldBuild {
  readonly reservation: ReservationId
  readonly host: HostId
  readonly shape: TemplateShape
  /** `over`: left the wanted set; its room is free once its host, knowing that, builds nothing of the shape. */
  readonly state: 'wanted' | 'over'
  /** The first generation of its host's wanted set that says so. */
  readonly since: number
  /** Its host has spoken since it knows of this. */
  readonly heard: boolean
}

/** A template that a host shall have. */
export interface Wish {
  readonly shape: TemplateShape
  /** Monotonic; since when. */
  readonly sinceMs: number
}

/** Somebody has asked for such machines. The image is a name. */
export interface AskedFor {
  readonly flavor: FlavorName
  readonly image: string
  readonly trustDomain: TrustDomain
  /** Monotonic; the last time. */
  readonly atMs: number
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
  readonly builds: readonly HeldBuild[]
  /** What each host was told last to have templates of, most wanted first. */
  readonly wishes: ReadonlyMap<HostId, readonly Wish[]>
  readonly demands: readonly AskedFor[]
  /** Of the wall clock now; leases say by it when they were asked for. */
  readonly wallMs: number
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
  /** It was idle for longer than its flavor keeps one. */
  | 'age'

export type UnbuildReason = 'done' | 'blocked' | 'unwanted' | 'room'

export interface Naming {
  readonly spec: MachineSpec
  /** The hull that it is launched from, whose id it gets; absent: a fresh one. */
  readonly hull?: MachineId
}

export type Step =
  /** The lease is over; its machine, if it has one, is doomed with it. */
  | {
      readonly do: 'end'
      readonly lease: LeaseId
      readonly end: LeaseEnd
      readonly failure: Failure
    }
  | { readonly do: 'grant'; readonly lease: LeaseId; readonly machine: MachineId }
  | {
      readonly do: 'doom'
      readonly machine: MachineId
      readonly why: DoomReason
      /** Whose job needs the room. */
      readonly for?: FlavorName
    }
  /** Give a free reservation back. */
  | { readonly do: 'drop'; readonly reservation: ReservationId }
  /** A new machine in a free reservation. */
  | ({ readonly do: 'name'; readonly reservation: ReservationId } & Naming)
  /** New room on the host, and a new machine in it. */
  | ({ readonly do: 'reserve'; readonly host: HostId } & Naming)
  /** From now on the host shall have templates of these shapes, most wanted first. */
  | { readonly do: 'wish'; readonly host: HostId; readonly shapes: readonly TemplateShape[] }
  /** New room on the host, and a template is built in it. */
  | { readonly do: 'build'; readonly host: HostId; readonly shape: TemplateShape }
  /** The build gives its room back: it is done, failed, not wanted any more, or a job needs the room. */
  | { readonly do: 'unbuild'; readonly reservation: ReservationId; readonly why: UnbuildReason }
  /** The lease goes on waiting, and why. */
  | {
      readonly do: 'wait'
      readonly lease: LeaseId
      readonly position: number
      readonly making: number
      readonly reason?: Failure
    }
