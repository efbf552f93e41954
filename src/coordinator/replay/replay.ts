/**
 * A day of jobs on virtual time: the coordinator's own state, plan and policies, with hosts that always do as they are
 * told. What happens within one step of the clock is decided on together, as between two ticks of a coordinator.
 */
import {
  assert,
  type Flavor,
  type FlavorName,
  type HostFacts,
  type HostImage,
  type MachineId,
  parseId,
  SlipwayError,
  type TrustDomain,
} from '../../model/index.ts'
import { Events } from '../events.ts'
import { LeaseBook } from '../lease-book.ts'
import type { HeldMachine, WaitingLease } from '../plan/index.ts'
import { fixedIdle, Policies, type Policy } from '../policy/index.ts'
import type { AgentLink, Ports } from '../ports.ts'
import { State } from '../state.ts'
import { Turn } from '../turn.ts'
import { Uniqueness } from '../uniqueness.ts'
import { Agenda } from './agenda.ts'
import { Queues } from './queues.ts'
import { countedIds, NO_LOG, NO_STORE } from './stand-ins.ts'
import { Tally, type TallyReport } from './tally.ts'
import type { TraceJob } from './trace.ts'

export interface Replay {
  readonly jobs: readonly TraceJob[]
  readonly flavors: readonly Flavor[]
  readonly policies: ReadonlyMap<FlavorName, Policy>
  /** The flavors' images are on all of them. */
  readonly hosts: readonly Pick<HostFacts, 'host' | 'capacity'>[]
  /** From naming a machine to ready. */
  readonly makingMs: number
  /** From giving one up to gone. */
  readonly goingMs: number
}

/** A step of the clock: a coordinator's tick. */
const STEP_MS = 1_000
const MINUTE_MS = 60_000
/** Jobs that wait for nothing that is under way are given up after so long. */
const QUIET_MS_MAX = 3_600_000
/** Jobs of a trace do not fall silent. */
const TTL_MS = Number.MAX_SAFE_INTEGER

/** Plays all jobs of the trace and says what it took. Throws `unknown_flavor`. */
export function replay(what: Replay): TallyReport {
  const known = new Set(what.flavors.map(({ name }) => name))
  const stranger = what.jobs.find(({ flavor }) => !known.has(flavor))
  if (stranger) {
    throw new SlipwayError('unknown_flavor', { flavor: stranger.flavor, known: [...known].join(', ') })
  }
  return new Player(what).play()
}

class Player {
  readonly #what: Replay
  readonly #state = new State()
  readonly #agenda = new Agenda(STEP_MS)
  readonly #tally = new Tally(() => this.#now)
  readonly #ids = countedIds()
  readonly #jobs = new Map<string, TraceJob>()
  readonly #queues: Queues
  readonly #idleTimesMs: ReadonlyMap<FlavorName, readonly number[]>
  readonly #startMs: number
  readonly #book: LeaseBook
  readonly #turn: Turn
  #open: number
  #now = 0

  constructor(what: Replay) {
    this.#what = what
    this.#open = what.jobs.length
    this.#queues = new Queues(what)
    this.#idleTimesMs = new Map(
      what.flavors.map((flavor) => [flavor.name, idleTimesMs(flavor, what.policies)]),
    )
    this.#startMs = Math.floor((what.jobs[0]?.askedAtMs ?? 0) / STEP_MS) * STEP_MS
    const clock = { now: () => this.#now, wall: () => this.#startMs + this.#now, after: () => () => {} }
    const ports: Ports = { store: NO_STORE, clock, ids: this.#ids, log: NO_LOG }
    const state = this.#state
    const events = new Watched({
      named: (machine, flavor) => this.#named(machine, flavor),
      granted: (machine, lease, waitedMs) => this.#granted(machine, lease, waitedMs),
      doomed: (machine) => this.#doomed(machine),
    })
    const flavors = new Map(what.flavors.map((flavor) => [flavor.name, flavor]))
    const domains = domainsOf(what)
    const policies = new Policies(what.policies)
    this.#book = new LeaseBook({ state, ports, events, uniqueness: new Uniqueness(NO_STORE), policies })
    this.#turn = new Turn({
      state,
      ports,
      events,
      book: this.#book,
      flavors,
      policies,
      domains: () => domains,
    })
    const images = imagesOf(what.flavors)
    for (const { host, capacity } of what.hosts) {
      const facts: HostFacts = { host, capacity, images, version: '', acceleration: 'hardware' }
      Object.assign(state.host(host, 0), { facts, link: NO_LINK, adopted: true })
    }
  }

  play(): TallyReport {
    for (const job of this.#what.jobs) this.#agenda.at(job.askedAtMs - this.#startMs, () => this.#ask(job))
    let busyAtMs = 0
    let steps = 0
    while (this.#open > 0 && this.#now - busyAtMs < QUIET_MS_MAX) {
      const tasks = this.#agenda.due(this.#now)
      for (const task of tasks) task()
      if (tasks.length > 0 || steps > 0 || this.#isFullMinute()) steps = this.#turn.run()
      if (!this.#agenda.isEmpty) busyAtMs = this.#now
      this.#now += STEP_MS
    }
    return this.#tally.report(this.#what.jobs.length)
  }

  /**
   * When nothing has happened, and the last turn found nothing to do, only time can change what is decided: periods
   * begin on full minutes, and for the ends of idle times there are tasks.
   */
  #isFullMinute(): boolean {
    return (this.#startMs + this.#now) % MINUTE_MS === 0
  }

  #ask(job: TraceJob): void {
    this.#queues.push({ ...job, askedAtMs: this.#startMs + this.#now })
    this.#admit(job)
  }

  #admit(like: TraceJob): void {
    const job = this.#queues.next(like)
    if (!job) return
    const id = this.#ids.lease()
    const lease: WaitingLease = {
      id,
      name: parseId('LeaseName', id),
      owner: { runner: 'trace', trustDomain: job.trustDomain },
      flavor: job.flavor,
      ttlMs: TTL_MS,
      askedAtMs: job.askedAtMs,
      aliveAtMs: 0,
      attempts: 0,
      state: 'waiting',
    }
    this.#jobs.set(id, job)
    this.#state.setLease({ lease })
  }

  #named(machine: MachineId, flavor: FlavorName): void {
    this.#tally.named(machine, flavor)
    this.#agenda.at(this.#now + this.#what.makingMs, () => this.#ready(machine))
  }

  #ready(machine: MachineId): void {
    const held = this.#state.machines.get(machine)
    if (!held || held.state === 'doomed') return
    const change: Partial<HeldMachine> = { state: 'ready', made: true, stateAtMs: this.#now }
    this.#state.machines.set(machine, { ...held, ...change })
    this.#tally.ready(machine)
    for (const timeMs of this.#idleTimesMs.get(held.spec.flavor) ?? []) {
      this.#agenda.at(this.#now + timeMs, () => {})
    }
  }

  #granted(machine: MachineId, lease: string, waitedMs: number): void {
    const job = this.#jobs.get(lease)
    assert(job, `lease ${lease} has a job`)
    this.#jobs.delete(lease)
    this.#tally.granted(machine, waitedMs)
    this.#agenda.at(this.#now + job.durationMs, () => this.#release(lease))
    this.#queues.served(job)
    this.#agenda.at(this.#now, () => this.#admit(job))
  }

  #release(lease: string): void {
    const live = this.#state.leases.get(parseId('LeaseId', lease))
    if (live) this.#book.settle({ ends: [{ live, end: 'released' }], grants: [] })
    this.#open -= 1
  }

  #doomed(machine: MachineId): void {
    this.#tally.doomed(machine)
    this.#agenda.at(this.#now + this.#what.goingMs, () => {
      const held = this.#state.machines.get(machine)
      if (held) this.#state.removeMachine(held)
      this.#tally.gone(machine)
    })
  }
}

interface Watcher {
  named(machine: MachineId, flavor: FlavorName): void
  granted(machine: MachineId, lease: string, waitedMs: number): void
  doomed(machine: MachineId): void
}

/** The coordinator's events, which are all that its hosts and jobs need to hear. */
class Watched extends Events {
  readonly #watcher: Watcher

  constructor(watcher: Watcher) {
    super(NO_LOG)
    this.#watcher = watcher
  }

  override machineNamed(fields: Parameters<Events['machineNamed']>[0]): void {
    this.#watcher.named(fields.machine, parseId('FlavorName', fields.flavor))
  }
  override leaseGranted(fields: Parameters<Events['leaseGranted']>[0]): void {
    this.#watcher.granted(fields.machine, fields.lease, fields.waitedMs)
  }
  override machineDoomed(fields: Parameters<Events['machineDoomed']>[0]): void {
    this.#watcher.doomed(fields.machine)
  }
}

/** After how long of being idle something may become of a machine. */
function idleTimesMs({ name, idleAgeMsMax }: Flavor, policies: Replay['policies']): readonly number[] {
  const policy = policies.get(name)
  const rules = policy ? [policy.base, ...policy.periods.map((each) => each.rules)] : [fixedIdle(0)]
  // An age must be over, an idle time only reached.
  return [...new Set(rules.map((each) => each.idleTimeMs)), idleAgeMsMax, idleAgeMsMax + STEP_MS]
}

const NO_LINK: AgentLink = { send: () => {}, close: () => {} }

/** Idle machines are kept for whom the trace has jobs of. */
function domainsOf({ jobs, flavors }: Replay): ReadonlyMap<FlavorName, readonly TrustDomain[]> {
  const sets = new Map(flavors.map(({ name }) => [name, new Set<TrustDomain>()]))
  for (const { flavor, trustDomain } of jobs) sets.get(flavor)?.add(trustDomain)
  return new Map([...sets].map(([name, set]) => [name, [...set]]))
}

function imagesOf(flavors: readonly Flavor[]): readonly HostImage[] {
  const names = [...new Set(flavors.map(({ image }) => image))]
  return names.map((name, index) => ({
    digest: parseId('ImageDigest', `sha256:${index.toString(16).padStart(SHA256_HEX, '0')}`),
    name,
    version: '1',
    builtAt: '2026-01-01T00:00:00Z',
    diskMiB: 0,
  }))
}

const SHA256_HEX = 64
