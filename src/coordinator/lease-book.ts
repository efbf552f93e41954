/**
 * The one place where leases change: the store first, memory after, so that nobody is ever told what a restart would
 * not know. When the store refuses, nothing has changed.
 */
import type { Failure, LeaseEnd, LeaseId, TimelineStep } from '../model/index.ts'
import type { Events } from './events.ts'
import type { HeldMachine } from './plan/index.ts'
import type { Policies } from './policy/index.ts'
import type { Ports } from './ports.ts'
import type { LiveLease, State } from './state.ts'
import type { LeaseRecord } from './store/leases.ts'
import type { Change } from './store/store.ts'
import type { Uniqueness } from './uniqueness.ts'

export interface Ending {
  readonly live: LiveLease
  readonly end: LeaseEnd
  readonly failure?: Failure
  readonly timeline?: readonly TimelineStep[]
  readonly consoleTail?: readonly string[]
}

export interface Grant {
  readonly live: LiveLease
  readonly machine: HeldMachine
}

/** Console lines kept with an ended lease. */
const TAIL_LINES_MAX = 40

export class LeaseBook {
  readonly #state: State
  readonly #ports: Ports
  readonly #events: Events
  readonly #uniqueness: Uniqueness
  readonly #policies: Pick<Policies, 'mayServeAgain'>
  readonly #watchers = new Map<LeaseId, Set<() => void>>()
  /** Asked for in this turn: durable with what the turn decides, a grant most of all, or not made at all. */
  #fresh: LiveLease[] = []
  readonly #refused = new Map<LeaseId, unknown>()
  /** What may be lost with the process and is found again; it becomes durable with whatever is next. */
  #later: Change[] = []

  constructor(parts: {
    readonly state: State
    readonly ports: Ports
    readonly events: Events
    readonly uniqueness: Uniqueness
    readonly policies: Pick<Policies, 'mayServeAgain'>
  }) {
    this.#state = parts.state
    this.#ports = parts.ports
    this.#events = parts.events
    this.#uniqueness = parts.uniqueness
    this.#policies = parts.policies
  }

  /** A new lease: one write to the disk makes it and grants it. `assertMade` says whether it did. */
  add(live: LiveLease): void {
    this.#fresh.push(live)
    this.#state.setLease(live)
  }

  /** Returns once the lease that was added is durable; throws what the store refused it with. */
  assertMade(lease: LeaseId): void {
    if (this.#fresh.some((live) => live.lease.id === lease)) this.#commit([])
    const error = this.#refused.get(lease)
    this.#refused.delete(lease)
    if (error !== undefined) throw error
  }

  /** A lease with more attempts. */
  write(live: LiveLease): void {
    this.#commit([{ kind: 'lease', record: live }])
    this.#state.setLease(live)
  }

  /** Becomes durable sooner or later; till then a restart finds it out anew. */
  defer(change: Change): void {
    this.#later.push(change)
  }

  /** Writes what nothing took along. */
  flush(): void {
    if (this.#fresh.length + this.#later.length + this.#uniqueness.unwritten().length > 0) this.#commit([])
  }

  /** Ends and grants, all or none. */
  settle({ ends, grants }: { readonly ends: readonly Ending[]; readonly grants: readonly Grant[] }): void {
    if (ends.length + grants.length + this.#fresh.length === 0) return
    const ended = ends.map((ending) => this.#ended(ending))
    const granted = grants.map((grant) => this.#granted(grant))
    const changes: Change[] = [...ended, ...granted].map((record) => ({ kind: 'lease', record }))
    for (const { machine: served } of grants) {
      const { machine, host, spec } = served
      changes.push({ kind: 'served', served: { machine, host, spec } })
    }
    this.#commit(changes)
    for (const ending of ends) this.#afterEnd(ending)
    granted.forEach((live, index) => {
      const machine = grants[index]?.machine
      if (machine) this.#afterGrant(live, machine)
    })
  }

  #commit(changes: readonly Change[]): void {
    const fresh = this.#fresh
    this.#fresh = []
    const made: Change[] = fresh.map((record) => ({ kind: 'lease', record }))
    try {
      this.#ports.store.commit([...made, ...changes, ...this.#later, ...this.#uniqueness.unwritten()])
    } catch (error) {
      for (const live of fresh) {
        this.#state.deleteLease(live)
        this.#refused.set(live.lease.id, error)
      }
      throw error
    }
    this.#later = []
    this.#uniqueness.written()
  }

  /** Calls `task` once when the lease's state changes; the returned function takes it back. */
  watch(lease: LeaseId, task: () => void): () => void {
    const watchers = this.#watchers.get(lease) ?? new Set()
    this.#watchers.set(lease, watchers.add(task))
    return () => {
      watchers.delete(task)
      if (watchers.size === 0 && this.#watchers.get(lease) === watchers) this.#watchers.delete(lease)
    }
  }

  /** Lets everybody who waits look again. */
  wakeAll(): void {
    for (const lease of [...this.#watchers.keys()]) this.#wake(lease)
  }

  #ended({ live: { lease }, end, failure, timeline, consoleTail }: Ending): LeaseRecord {
    const { state: _, ...claim } = lease
    const machine = lease.state === 'granted' ? lease.machine : undefined
    const steps =
      timeline ?? (machine === undefined ? undefined : this.#state.machines.get(machine)?.timeline)
    return {
      lease: {
        ...claim,
        state: 'ended',
        end,
        endedAtMs: this.#ports.clock.wall(),
        ...(machine === undefined ? {} : { machine }),
        ...(failure ? { failure } : {}),
      },
      ...(steps ? { timeline: steps } : {}),
      ...(consoleTail ? { consoleTail: consoleTail.slice(-TAIL_LINES_MAX) } : {}),
    }
  }

  #granted({ live: { lease }, machine }: Grant): LiveLease {
    return {
      lease: {
        ...lease,
        state: 'granted',
        machine: machine.machine,
        host: machine.host,
        grantedAtMs: this.#ports.clock.wall(),
      },
      timeline: machine.timeline,
    }
  }

  #afterEnd({ live, end, failure }: Ending): void {
    const { lease } = live
    this.#state.deleteLease(live)
    if (lease.state === 'granted' && end === 'released') {
      this.#state.memory.released(lease.flavor, this.#ports.clock.wall() - lease.grantedAtMs)
    }
    const machine = lease.state === 'granted' ? this.#state.machines.get(lease.machine) : undefined
    if (machine && end === 'released' && this.#servesAgain(machine)) {
      const { lease: _, ...idle } = machine
      const leasesServed = (machine.leasesServed ?? 0) + 1
      const stateAtMs = this.#ports.clock.now()
      this.#state.machines.set(machine.machine, { ...idle, state: 'ready', leasesServed, stateAtMs })
    } else if (machine) {
      this.#state.doom(machine, this.#ports.clock.now())
      this.#events.machineDoomed({ machine: machine.machine, why: 'ended' })
    }
    this.#events.leaseEnded({
      lease: lease.id,
      name: lease.name,
      runner: lease.owner.runner,
      end,
      ...(failure ? { failure } : {}),
    })
    this.#wake(lease.id)
  }

  #afterGrant(live: LiveLease, { machine }: HeldMachine): void {
    const { lease } = live
    const held = this.#state.machines.get(machine)
    this.#state.setLease(live)
    this.#state.served.add(machine)
    if (held) {
      const stateAtMs = this.#ports.clock.now()
      this.#state.machines.set(machine, { ...held, state: 'leased', lease: lease.id, stateAtMs })
    }
    this.#events.leaseGranted({
      lease: lease.id,
      name: lease.name,
      runner: lease.owner.runner,
      machine,
      waitedMs: Math.round(this.#ports.clock.wall() - lease.askedAtMs),
    })
    this.#wake(lease.id)
  }

  /** Never but where the operator has waived that jobs are kept apart; after a restart not even there. */
  #servesAgain({ state, spec, leasesServed = 0 }: HeldMachine): boolean {
    return state === 'leased' && this.#policies.mayServeAgain(spec.flavor, leasesServed + 1)
  }

  #wake(lease: LeaseId): void {
    const watchers = this.#watchers.get(lease)
    this.#watchers.delete(lease)
    for (const task of watchers ?? []) task()
  }
}
