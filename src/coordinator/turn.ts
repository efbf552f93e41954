/** One turn of the coordinator: look, decide (the plan), act. The only place where the plan's steps are carried out. */
import {
  assert,
  type Flavor,
  type FlavorName,
  type HostId,
  type LeaseId,
  type Reservation,
  shapeKey,
  type TrustDomain,
} from '../model/index.ts'
import type { Events } from './events.ts'
import type { Ending, Grant, LeaseBook } from './lease-book.ts'
import { type Naming, plan, type Step, type View } from './plan/index.ts'
import type { Policies } from './policy/index.ts'
import type { Ports } from './ports.ts'
import type { Host, LiveLease, State } from './state.ts'

export class Turn {
  readonly #state: State
  readonly #ports: Ports
  readonly #events: Events
  readonly #book: LeaseBook
  readonly #flavors: ReadonlyMap<FlavorName, Flavor>
  readonly #policies: Policies
  readonly #domains: () => ReadonlyMap<FlavorName, readonly TrustDomain[]>

  constructor(parts: {
    readonly state: State
    readonly ports: Ports
    readonly events: Events
    readonly book: LeaseBook
    readonly flavors: ReadonlyMap<FlavorName, Flavor>
    readonly policies: Policies
    readonly domains: () => ReadonlyMap<FlavorName, readonly TrustDomain[]>
  }) {
    this.#state = parts.state
    this.#ports = parts.ports
    this.#events = parts.events
    this.#book = parts.book
    this.#flavors = parts.flavors
    this.#policies = parts.policies
    this.#domains = parts.domains
  }

  /**
   * Says how many steps were taken. Throws `database_failed` with nothing done when the store refuses; the next turn
   * decides anew.
   */
  run(): number {
    const steps = plan(this.view(), this.#ports.clock.now())
    const ends: Ending[] = []
    const grants: Grant[] = []
    for (const step of steps) {
      if (step.do === 'end') ends.push({ live: this.#live(step.lease), end: step.end, failure: step.failure })
      if (step.do === 'grant') grants.push(this.#grant(step))
    }
    this.#book.settle({ ends, grants })
    for (const step of steps) this.#act(step)
    return steps.length
  }

  /** What the plan sees. */
  view(): View {
    const state = this.#state
    const { clock } = this.#ports
    return {
      flavors: this.#flavors,
      domains: this.#domains(),
      standings: this.#policies.at({
        now: clock.now(),
        wall: clock.wall(),
        making: (flavor) => state.making(flavor),
      }),
      leases: [...state.leases.values()].map(({ lease }) => lease),
      hosts: [...state.hosts.values()]
        .filter(({ forgotten }) => !forgotten)
        .map(({ host, link, facts }) => ({
          host,
          connected: link !== undefined,
          ...(facts ? { facts } : {}),
        })),
      machines: [...state.machines.values()],
      reservations: [...state.reservations.values()],
      troubles: [...state.troubles.values()],
      builds: [...state.builds.values()],
      wishes: new Map([...state.hosts].map(([host, { wishes }]) => [host, wishes])),
      demands: state.demands(),
      wallMs: this.#ports.clock.wall(),
    }
  }

  #act(step: Step): void {
    switch (step.do) {
      case 'end':
      case 'grant':
        return
      case 'doom': {
        const machine = this.#state.machines.get(step.machine)
        assert(machine && machine.state !== 'leased', `${step.machine} cannot be doomed as ${step.why}`)
        this.#state.doom(machine, this.#ports.clock.now())
        const { why, for: flavor } = step
        this.#events.machineDoomed({
          machine: step.machine,
          why,
          ...(flavor === undefined ? {} : { flavor }),
        })
        return
      }
      case 'wish':
        this.#state.wish(this.#host(step.host), step.shapes, this.#ports.clock.now())
        return
      case 'build': {
        const reservation = this.#ports.ids.reservation()
        this.#state.addBuild(reservation, this.#host(step.host), { shape: step.shape, state: 'wanted' })
        this.#events.templateReserved({ host: step.host, reservation, shape: shapeKey(step.shape) })
        return
      }
      case 'unbuild': {
        const build = this.#state.builds.get(step.reservation)
        assert(build?.state === 'wanted', `${step.reservation} is no build that could end`)
        this.#state.endBuild(build)
        this.#events.templateReleased({ host: build.host, reservation: step.reservation, why: step.why })
        return
      }
      case 'drop':
        this.#state.reservations.delete(step.reservation)
        return
      case 'name': {
        const reservation = this.#state.reservations.get(step.reservation)
        assert(reservation && reservation.machine === undefined, `${step.reservation} is not free`)
        this.#name(reservation, step)
        return
      }
      case 'reserve':
        this.#name({ id: this.#ports.ids.reservation(), host: step.host }, step)
        return
      case 'wait': {
        const live = this.#live(step.lease)
        if (sameWait(live.wait, step)) return
        const { lease, do: _, ...wait } = step
        this.#state.leases.set(lease, { ...live, wait })
        return
      }
    }
  }

  #name({ id, host }: Pick<Reservation, 'id' | 'host'>, { spec, hull }: Naming): void {
    const now = this.#ports.clock.now()
    const machine = hull ?? this.#ports.ids.machine()
    if (hull !== undefined) this.#state.takeHull(this.#host(host), hull)
    this.#state.addMachine({
      machine,
      host,
      reservation: id,
      spec,
      state: 'named',
      made: false,
      createdAtMs: this.#ports.clock.wall(),
      namedAtMs: now,
      stateAtMs: now,
      timeline: [],
    })
    this.#policies.named(spec.flavor)
    this.#events.machineNamed({ machine, host, flavor: spec.flavor })
  }

  #host(id: HostId): Host {
    const host = this.#state.hosts.get(id)
    assert(host, `the plan speaks of host ${id}, which nobody knows`)
    return host
  }

  #live(lease: LeaseId): LiveLease {
    const live = this.#state.leases.get(lease)
    assert(live, `the plan speaks of lease ${lease}, which is not live`)
    return live
  }

  #grant(step: Extract<Step, { do: 'grant' }>): Grant {
    const machine = this.#state.machines.get(step.machine)
    assert(machine?.state === 'ready' && machine.lease === undefined, `${step.machine} is not free to grant`)
    const again = machine.leasesServed !== undefined
    assert(again || !this.#state.served.has(step.machine), `${step.machine} has served before`)
    return { live: this.#live(step.lease), machine }
  }
}

/** Most that wait go on waiting for the same reason. */
const sameWait = (a: LiveLease['wait'], b: NonNullable<LiveLease['wait']>): boolean =>
  a?.position === b.position &&
  a.making === b.making &&
  a.reason?.code === b.reason?.code &&
  a.reason?.args.detail === b.reason?.args.detail
