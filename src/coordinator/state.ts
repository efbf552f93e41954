/** What the coordinator knows at this moment. Leases are mirrored in the store; the rest is rediscovered from hosts. */
import {
  type Failure,
  type FlavorName,
  type HostFacts,
  type HostId,
  hullsIn,
  type LeaseId,
  type MachineId,
  type Reservation,
  type ReservationId,
  type TemplateShape,
  type TimelineStep,
  withoutHulls,
} from '../model/index.ts'
import { Memory } from './forecast.ts'
import { roomFor } from './placement/embedded.ts'
import {
  type AskedFor,
  type GrantedLease,
  type HeldBuild,
  type HeldMachine,
  renewWishes,
  type Trouble,
  type WaitingLease,
  type Wish,
} from './plan/index.ts'
import type { AgentLink } from './ports.ts'

/** A lease that has not ended. */
export interface LiveLease {
  readonly lease: WaitingLease | GrantedLease
  /** Of its machine, once granted. */
  readonly timeline?: readonly TimelineStep[]
  /** Written by the plan each turn while it waits. */
  readonly wait?: { readonly position: number; readonly making: number; readonly reason?: Failure }
}

/** A host that has spoken, or that a lease's machine is on. */
export interface Host {
  readonly host: HostId
  facts?: HostFacts
  /** Its agent's connection, once it has said hello. */
  link?: AgentLink
  /** Monotonic: last frame, or when it was lost. */
  heardAtMs: number
  /** Its machines of before this coordinator's start have been taken over. */
  adopted: boolean
  /** Away too long: its machines are given up. */
  forgotten: boolean
  /** Of its wanted set; never goes back while this coordinator runs. */
  generation: number
  /** The wanted set differs from what was sent last. */
  dirty: boolean
  /** Monotonic: when the wanted set was sent last; `undefined` = must be sent. */
  sentAtMs: number | undefined
  /** How many machines it named. */
  sentMachines: number
  /** Templates it shall have. */
  wishes: readonly Wish[]
  /** Hulls that machines were launched from, and that it still offered when it spoke last. */
  readonly takenHulls: Set<MachineId>
}

export class State {
  readonly leases = new Map<LeaseId, LiveLease>()
  readonly #names = new Map<string, LeaseId>()
  readonly machines = new Map<MachineId, HeldMachine>()
  readonly reservations = new Map<ReservationId, Reservation>()
  readonly builds = new Map<ReservationId, HeldBuild>()
  readonly hosts = new Map<HostId, Host>()
  readonly troubles = new Map<string, Trouble>()
  /** Machines that were granted once and are not known to be gone. */
  readonly served = new Set<MachineId>()
  /** What machines and leases have lately taken. */
  readonly memory = new Memory()
  /** What was asked for lately, the latest last. */
  readonly #demands = new Map<string, AskedFor>()

  named(runner: string, name: string): LiveLease | undefined {
    const id = this.#names.get(nameKey(runner, name))
    return id === undefined ? undefined : this.leases.get(id)
  }

  setLease(live: LiveLease): void {
    const { id, owner, name } = live.lease
    this.leases.set(id, live)
    this.#names.set(nameKey(owner.runner, name), id)
  }

  deleteLease({ lease: { id, owner, name } }: LiveLease): void {
    this.leases.delete(id)
    this.#names.delete(nameKey(owner.runner, name))
  }

  countOf(runner: string): number {
    let count = 0
    for (const { lease } of this.leases.values()) if (lease.owner.runner === runner) count += 1
    return count
  }

  host(host: HostId, now: number): Host {
    const known = this.hosts.get(host)
    if (known) return known
    const made: Host = {
      host,
      heardAtMs: now,
      adopted: false,
      forgotten: false,
      generation: 0,
      dirty: true,
      sentAtMs: undefined,
      sentMachines: 0,
      wishes: [],
      takenHulls: new Set(),
    }
    this.hosts.set(host, made)
    return made
  }

  /** What a host says of itself. A hull that it offers no more is none to remember. */
  setFacts(host: Host, facts: HostFacts): void {
    const offered = hullsIn(facts.templates ?? [])
    for (const hull of host.takenHulls) if (!offered.has(hull)) host.takenHulls.delete(hull)
    // What has served is no hull, whatever its host says.
    for (const hull of offered) if (this.served.has(hull)) host.takenHulls.add(hull)
    host.facts = host.takenHulls.size === 0 ? facts : without(facts, host.takenHulls)
  }

  /** A hull becomes a machine once. */
  takeHull(host: Host, hull: MachineId): void {
    host.takenHulls.add(hull)
    if (host.facts) host.facts = without(host.facts, host.takenHulls)
  }

  /** How many machines of a flavor are in the making. */
  making(flavor: FlavorName): number {
    let count = 0
    for (const { spec, state } of this.machines.values()) {
      if (spec.flavor === flavor && (state === 'named' || state === 'creating')) count += 1
    }
    return count
  }

  machinesOn(host: HostId): HeldMachine[] {
    return [...this.machines.values()].filter((machine) => machine.host === host)
  }

  /** A machine and the room it stands in; its host hears of it with the next wanted set. */
  addMachine(machine: Omit<HeldMachine, 'since'>): void {
    const generation = this.hosts.get(machine.host)?.generation ?? 0
    // A doomed one is in no wanted set already: nothing new has to be said.
    const since = machine.state === 'doomed' ? generation : generation + 1
    this.machines.set(machine.machine, { ...machine, since })
    this.reservations.set(machine.reservation, {
      id: machine.reservation,
      host: machine.host,
      room: roomFor(machine.spec),
      machine: machine.machine,
    })
    if (machine.state !== 'doomed') this.touch(machine.host)
  }

  /** Changes what is wanted of a machine; its host hears of it with the next wanted set. */
  changeMachine(machine: HeldMachine, change: Partial<HeldMachine>): void {
    const since = (this.hosts.get(machine.host)?.generation ?? 0) + 1
    this.machines.set(machine.machine, { ...machine, ...change, since })
    this.touch(machine.host)
  }

  doom(machine: HeldMachine, now: number): void {
    if (machine.state !== 'doomed') this.changeMachine(machine, { state: 'doomed', stateAtMs: now })
  }

  /** The machine is gone: its reservation is free. */
  removeMachine({ machine, reservation }: HeldMachine): void {
    this.machines.delete(machine)
    this.served.delete(machine)
    const held = this.reservations.get(reservation)
    if (!held) return
    const { id, host, room } = held
    this.reservations.set(id, { id, host, room })
  }

  demands(): readonly AskedFor[] {
    return [...this.#demands.values()]
  }

  demand(demand: AskedFor): void {
    const key = `${demand.flavor} ${demand.image} ${demand.trustDomain}`
    this.#demands.delete(key)
    this.#demands.set(key, demand)
    for (const oldest of this.#demands.keys()) {
      if (this.#demands.size <= DEMANDS_MAX) break
      this.#demands.delete(oldest)
    }
  }

  /** What the host shall have templates of; it hears of it with the next wanted set. */
  wish(host: Host, shapes: readonly TemplateShape[], now: number): void {
    host.wishes = renewWishes(host.wishes, shapes, now)
    host.dirty = true
  }

  /** Room for a template's build. */
  addBuild(
    reservation: ReservationId,
    host: Host,
    { shape, state }: Pick<HeldBuild, 'shape' | 'state'>,
  ): HeldBuild {
    const room = roomFor(shape)
    this.reservations.set(reservation, { id: reservation, host: host.host, room, template: shape })
    // One that is over is in no wanted set already: nothing new has to be said.
    const since = state === 'over' ? host.generation : host.generation + 1
    const build: HeldBuild = { reservation, host: host.host, shape, state, since, heard: false }
    this.builds.set(reservation, build)
    if (state === 'wanted') host.dirty = true
    return build
  }

  /** The build leaves the wanted set; its room is free once its host has let go of it. */
  endBuild(build: HeldBuild): void {
    const since = (this.hosts.get(build.host)?.generation ?? 0) + 1
    this.builds.set(build.reservation, { ...build, state: 'over', since, heard: false })
    this.touch(build.host)
  }

  hearBuild(build: HeldBuild): void {
    this.builds.set(build.reservation, { ...build, heard: true })
  }

  removeBuild({ reservation }: HeldBuild): void {
    this.builds.delete(reservation)
    this.reservations.delete(reservation)
  }

  buildsOn(host: HostId): HeldBuild[] {
    return [...this.builds.values()].filter((build) => build.host === host)
  }

  /** The process stood still for a while, until `now`: that time counts for nobody. */
  shift(byMs: number, now: number): void {
    const later = (atMs: number): number => Math.min(now, atMs + byMs)
    for (const live of [...this.leases.values()]) {
      this.setLease({ ...live, lease: { ...live.lease, aliveAtMs: later(live.lease.aliveAtMs) } })
    }
    for (const host of this.hosts.values()) host.heardAtMs = later(host.heardAtMs)
  }

  /** Gives a host's machines up, and their room. */
  forget(host: Host): void {
    for (const { machine } of this.machinesOn(host.host)) this.machines.delete(machine)
    for (const { id, host: on } of [...this.reservations.values()])
      if (on === host.host) this.reservations.delete(id)
    for (const build of this.buildsOn(host.host)) this.builds.delete(build.reservation)
    host.forgotten = true
    host.adopted = false
    host.dirty = true
  }

  /** What a machine's host calls its image. */
  imageName({ host, spec }: HeldMachine): string | undefined {
    return this.hosts.get(host)?.facts?.images.find(({ digest }) => digest === spec.image)?.name
  }

  touch(host: HostId): void {
    const known = this.hosts.get(host)
    if (known) known.dirty = true
  }
}

/** Pools whose demand is remembered. */
const DEMANDS_MAX = 64

const nameKey = (runner: string, name: string): string => `${runner}/${name}`

const without = (facts: HostFacts, hulls: ReadonlySet<MachineId>): HostFacts =>
  facts.templates === undefined ? facts : { ...facts, templates: withoutHulls(facts.templates, hulls) }
