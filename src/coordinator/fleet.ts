/**
 * Hosts and their agents: who is connected, what their reports mean, what each is told to run.
 *
 *   hello ──► welcome, wanted ──► reports … ──► closed ──► away ──► (HOST_GRACE_MS) forgotten
 *
 * Intent goes down as the whole stamped set, facts come up; a lost or repeated frame is healed by the next one.
 */
import type { FromAgent, MachineReportFrame } from '../api/index.ts'
import {
  compareStamps,
  type Failure,
  type HostFacts,
  type HostId,
  type MachineId,
  type Stamp,
  shapeKey,
} from '../model/index.ts'
import { adopt, strayMachine } from './adopt.ts'
import type { Events } from './events.ts'
import { hearBuilds } from './hear-builds.ts'
import type { LeaseBook } from './lease-book.ts'
import { type Ending, observe } from './observe.ts'
import type { HeldBuild, HeldMachine } from './plan/index.ts'
import type { AgentLink, Ports } from './ports.ts'
import { HOST_SILENT_MS, refusalOf } from './refusal.ts'
import type { Host, LiveLease, State } from './state.ts'
import { afterFailure, troubleKey } from './trouble.ts'
import type { Uniqueness } from './uniqueness.ts'

type Hello = Extract<FromAgent, { type: 'hello' }>
type Report = Extract<FromAgent, { type: 'report' }>

/** A host that is away for longer loses its machines: their leases end as lost. */
export const HOST_GRACE_MS = 120_000
/** Machines that failed under one lease before the lease fails. */
export const ATTEMPTS_MAX = 2

export class Fleet {
  readonly #state: State
  readonly #ports: Ports
  readonly #events: Events
  readonly #book: LeaseBook
  readonly #uniqueness: Uniqueness
  readonly #epoch: number

  constructor(parts: {
    readonly state: State
    readonly ports: Ports
    readonly events: Events
    readonly book: LeaseBook
    readonly uniqueness: Uniqueness
    readonly epoch: number
  }) {
    this.#state = parts.state
    this.#ports = parts.ports
    this.#events = parts.events
    this.#book = parts.book
    this.#uniqueness = parts.uniqueness
    this.#epoch = parts.epoch
  }

  take(link: AgentLink, frame: Hello | Report): void {
    if (frame.type === 'hello') this.#hello(link, frame)
    else this.#report(link, frame)
  }

  /** An agent introduces itself. Refused: told why, and the connection ends. */
  #hello(link: AgentLink, hello: Hello): void {
    const parts = { state: this.#state, database: this.#ports.store.database, epoch: this.#epoch }
    const failure = refusalOf(hello, { ...parts, link, now: this.#ports.clock.now() })
    if (failure) {
      this.#events.agentRefused({ host: hello.host, failure })
      link.send({ type: 'refused', failure })
      link.close()
      return
    }
    const now = this.#ports.clock.now()
    const host = this.#state.host(hello.host, now)
    const old = host.link
    host.link = link
    if (old !== undefined && old !== link) old.close()
    this.#state.setFacts(host, hello.facts)
    host.heardAtMs = now
    host.forgotten = false
    host.sentAtMs = undefined
    link.send({ type: 'welcome', database: this.#ports.store.database, epoch: this.#epoch })
    const first = !host.adopted
    const trusted = first && hello.database === this.#ports.store.database
    host.adopted = true
    for (const report of hello.machines) if (!this.#sight(host, report, { trusted })) return
    this.#builds(host, hello.stamp, hello.facts, first ? 'wanted' : 'over')
    this.#absent(host, hello.stamp, new Set(hello.machines.map(({ machine }) => machine)))
    // Said again until the welcome is heard: that is the same connection.
    if (old !== link)
      this.#events.hostConnected({ host: host.host, machines: hello.machines.length, stamp: hello.stamp })
  }

  #report(link: AgentLink, report: Report): void {
    const host = this.hostOf(link)
    if (!host) return
    host.heardAtMs = this.#ports.clock.now()
    if (report.facts) {
      if (report.facts.host !== host.host) {
        this.misbehaved(link, 'facts of another host')
        return
      }
      this.#state.setFacts(host, report.facts)
    }
    for (const each of report.machines) if (!this.#sight(host, each, { trusted: false })) return
    const named = new Set(report.machines.map(({ machine }) => machine))
    if (report.facts) this.#builds(host, report.stamp, report.facts, 'over')
    if (report.full) this.#absent(host, report.stamp, named)
    else this.#gone(host, report)
  }

  #builds(host: Host, stamp: Stamp, facts: HostFacts, unknown: HeldBuild['state']): void {
    const answers = (build: HeldBuild): boolean => this.#answers(stamp, build)
    const taken = hearBuilds({ state: this.#state, ids: this.#ports.ids }, host, facts, { answers, unknown })
    for (const { reservation, shape } of taken) {
      this.#events.templateReserved({ host: host.host, reservation, shape: shapeKey(shape) })
    }
  }

  /** The connection has ended, whoever ended it. */
  closed(link: AgentLink): void {
    const host = this.hostOf(link)
    if (!host) return
    delete host.link
    host.heardAtMs = this.#ports.clock.now()
    this.#events.hostAway({ host: host.host })
  }

  /** Ends a connection whose agent breaks the rules; the host may dial in again. */
  misbehaved(link: AgentLink, detail: string): void {
    this.#events.agentMisbehaved({ host: this.hostOf(link)?.host, detail })
    link.close()
    this.closed(link)
  }

  hostOf(link: AgentLink): Host | undefined {
    for (const host of this.#state.hosts.values()) if (host.link === link) return host
    return undefined
  }

  /** Closes silent connections and gives up hosts that stay away. */
  tick(): void {
    const now = this.#ports.clock.now()
    for (const host of this.#state.hosts.values()) {
      const quietMs = now - host.heardAtMs
      const { link } = host
      if (link && quietMs > HOST_SILENT_MS) {
        link.close()
        this.closed(link)
      } else if (!link && !host.forgotten && quietMs > HOST_GRACE_MS) this.#forget(host)
    }
  }

  /** One machine of a report. False: the agent broke the rules and is gone. */
  #sight(host: Host, report: MachineReportFrame, { trusted }: { readonly trusted: boolean }): boolean {
    const held = this.#state.machines.get(report.machine)
    const time = { now: this.#ports.clock.now(), wall: this.#ports.clock.wall() }
    if (held && held.host !== host.host) {
      if (host.link) this.misbehaved(host.link, `machine ${report.machine} of host ${held.host}`)
      return false
    }
    if (!held) {
      const reservation = this.#ports.ids.reservation()
      const known = trusted && !this.#state.served.has(report.machine)
      const found = (known ? adopt : strayMachine)(report, { host: host.host, reservation, ...time })
      this.#state.addMachine(found)
      this.#events.machineAdopted({ machine: found.machine, host: found.host, state: found.state })
      const adopted = this.#state.machines.get(found.machine)
      if (adopted?.made) this.#refuseTwin(adopted, adopted)
      return true
    }
    const sight = observe(held, report, time)
    if (sight.kind === 'becomes') this.#become(held, sight.machine)
    else if (sight.kind === 'failed') this.#failed(held, sight.ending)
    else if (sight.kind === 'lost') this.#lost(held, sight.ending)
    return true
  }

  /** True, and the machine is doomed, if it shows what another has shown. Its host has made it; it is as good as failed. */
  #refuseTwin(held: HeldMachine, { access, timeline }: HeldMachine): boolean {
    const what = access && this.#uniqueness.judge(held.machine, access)
    if (what === undefined) return false
    const failure: Failure = { code: 'not_unique', args: { machine: held.machine, what } }
    this.#failed(held, { failure, timeline, consoleTail: [] })
    return true
  }

  #become(held: HeldMachine, machine: HeldMachine): void {
    if (!held.made && machine.made && this.#refuseTwin(held, machine)) return
    this.#state.machines.set(machine.machine, machine)
    if (held.made || !machine.made) return
    this.#state.touch(machine.host)
    this.#state.troubles.delete(troubleKey(machine.host, machine.spec))
    const tookMs = machine.timeline.at(-1)?.atMs ?? 0
    this.#state.memory.made(machine.spec.flavor, Math.max(tookMs, machine.stateAtMs - machine.namedAtMs))
    this.#events.machineReady({ machine: machine.machine, host: machine.host, tookMs })
  }

  /** It could not be made: the lease that has waited longest for such a machine is told, and the host rests. */
  #failed(held: HeldMachine, { failure, timeline, consoleTail }: Ending): void {
    const first = this.#firstInLine(held)
    if (first) {
      const attempts = first.lease.attempts + 1
      const live: LiveLease = { ...first, lease: { ...first.lease, attempts } }
      if (attempts < ATTEMPTS_MAX) this.#book.write(live)
      else {
        this.#book.settle({ ends: [{ live, end: 'failed', failure, timeline, consoleTail }], grants: [] })
      }
    }
    const now = this.#ports.clock.now()
    const key = troubleKey(held.host, held.spec)
    this.#state.troubles.set(key, afterFailure(this.#state.troubles.get(key), held, { failure, now }))
    this.#state.doom(held, now)
    this.#events.machineFailed({ machine: held.machine, host: held.host, failure })
  }

  /** It was made and is no more: its lease, if any, ends with the host's reason. */
  #lost(held: HeldMachine, { failure, timeline, consoleTail }: Ending): void {
    const live = held.lease === undefined ? undefined : this.#state.leases.get(held.lease)
    if (live) {
      this.#book.settle({ ends: [{ live, end: 'lost', failure, timeline, consoleTail }], grants: [] })
    }
    this.#state.doom(held, this.#ports.clock.now())
    this.#events.machineLost({ machine: held.machine, host: held.host, failure })
  }

  /** A full report says by silence which machines are gone; one that knows of what we want now, that is. */
  #absent(host: Host, stamp: Stamp, named: ReadonlySet<MachineId>): void {
    for (const held of this.#state.machinesOn(host.host)) {
      if (!named.has(held.machine) && this.#answers(stamp, held)) this.#vanished(held)
    }
  }

  #gone(host: Host, { stamp, gone }: Report): void {
    for (const machine of gone) {
      const held = this.#state.machines.get(machine)
      if (held?.host === host.host && this.#answers(stamp, held)) this.#vanished(held)
    }
  }

  #answers(stamp: Stamp, held: Pick<HeldMachine, 'since'>): boolean {
    return compareStamps(stamp, { epoch: this.#epoch, generation: held.since }) >= 0
  }

  #vanished(held: HeldMachine): void {
    const { machine, host } = held
    if (held.state !== 'doomed') {
      const detail = 'its host no longer knows of it'
      const ending = { timeline: held.timeline, consoleTail: [] }
      if (held.made)
        this.#lost(held, { ...ending, failure: { code: 'machine_lost', args: { machine, detail } } })
      else {
        const args = { machine, step: 'unknown', detail }
        this.#failed(held, { ...ending, failure: { code: 'create_failed', args } })
      }
    }
    if (this.#state.served.has(machine)) this.#book.defer({ kind: 'gone', machine })
    this.#state.removeMachine(held)
    this.#events.machineGone({ machine, host })
  }

  #forget(host: Host): void {
    const machines = this.#state.machinesOn(host.host)
    const ends = machines.flatMap((held) => {
      const live = held.lease === undefined ? undefined : this.#state.leases.get(held.lease)
      const failure = awayFailure(held.machine, host.host)
      return live ? [{ live, end: 'lost' as const, failure }] : []
    })
    this.#book.settle({ ends, grants: [] })
    this.#state.forget(host)
    this.#events.hostForgotten({ host: host.host, leasesLost: ends.length })
  }

  #firstInLine(held: HeldMachine): LiveLease | undefined {
    const flavor = held.spec.flavor
    const image = this.#state.imageName(held)
    for (const live of this.#state.leases.values()) {
      const { lease } = live
      if (lease.state !== 'waiting' || lease.flavor !== flavor) continue
      if (lease.owner.trustDomain !== held.spec.trustDomain) continue
      if (lease.image === undefined || image === undefined || lease.image === image) return live
    }
    return undefined
  }
}

const awayFailure = (machine: MachineId, host: HostId): Failure => ({
  code: 'machine_lost',
  args: { machine, detail: `host ${host} did not come back within ${HOST_GRACE_MS / 1000} s` },
})
