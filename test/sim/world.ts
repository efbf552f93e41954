/** The whole system in one process: a coordinator, agents on their hosts, the network between, all under one clock. */
import type { Effect, GuestBehaviour } from '../../src/agent/drivers/simulated/index.ts'
import type { Store } from '../../src/coordinator/index.ts'
import { type MachineId, parseId, SlipwayError, type TrustDomain } from '../../src/model/index.ts'
import { AgentProcess } from './agent-process.ts'
import { type Connection, connect } from './connection.ts'
import { addRunner, CoordinatorProcess, openDatabase } from './coordinator-process.ts'
import type { Checker, Evidence, Scene } from './evidence.ts'
import type { Calls } from './front.ts'
import { ulids } from './ids.ts'
import type { Random } from './random.ts'
import type { Scenario } from './scenario.ts'
import { SimHost } from './sim-host.ts'
import type { Trace } from './trace.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { FAIR, type Weather } from './wire.ts'

export interface WorldOptions {
  readonly scenario: Scenario
  readonly random: Random
  readonly clock: VirtualClock
  readonly trace: Trace
  readonly checkers: readonly Checker[]
  /** The one invariant that counts, if not all do. */
  readonly only: string | undefined
}

/** A host, its agent if one lives, and its connection if there is one. */
export interface Site {
  readonly host: SimHost
  agent: AgentProcess | undefined
  connection: Connection | undefined
  /** Nothing passes between it and the coordinator until then. */
  cutUntilMs: number
}

export class World implements Scene {
  readonly clock: VirtualClock
  readonly scenario: Scenario
  readonly sites: readonly Site[]
  coordinator: CoordinatorProcess | undefined
  calmSinceMs: number | undefined
  /** The first broken invariant, and whose it is. */
  broken: string | undefined
  readonly #random: Random
  readonly #trace: Trace
  readonly #checkers: readonly Checker[]
  readonly #only: string | undefined
  readonly #ulid: () => string
  readonly #database: Store
  readonly #domains = new Set<TrustDomain>()

  constructor({ scenario, random, clock, trace, checkers, only }: WorldOptions) {
    this.clock = clock
    this.scenario = scenario
    this.#random = random
    this.#trace = trace
    this.#checkers = checkers
    this.#only = only
    this.#ulid = ulids(random.fork('ids'))
    this.#database = openDatabase(this.#ulid)
    this.sites = scenario.hosts.map((size, index) => ({
      host: new SimHost(parseId('HostId', `h${index + 1}`), size, this.machineId(), (seen) => this.see(seen)),
      agent: undefined,
      connection: undefined,
      cutUntilMs: 0,
    }))
  }

  now(): number {
    return this.clock.now()
  }

  get flavors() {
    return this.scenario.flavors
  }

  get domains(): number {
    return this.#domains.size
  }

  get hosts(): readonly SimHost[] {
    return this.sites.map(({ host }) => host)
  }

  see(evidence: Evidence): void {
    this.#tell(evidence)
    for (const checker of this.#checkers) {
      const broken = checker.see(evidence, this)
      if (broken !== undefined) this.break(checker.name, broken)
    }
  }

  say(who: string, what: string): void {
    this.#trace.say(who, what)
  }

  break(invariant: string, what: string): void {
    if (this.broken !== undefined || invariant !== (this.#only ?? invariant)) return
    this.broken = `${invariant}: ${what}`
    this.say('BROKEN', this.broken)
  }

  startCoordinator(): void {
    if (this.coordinator?.life.alive) return
    this.say('coordinator', 'starts')
    this.coordinator = new CoordinatorProcess({
      clock: this.clock,
      database: this.#database,
      flavors: this.scenario.flavors,
      ulid: this.#ulid,
      see: (evidence) => this.see(evidence),
      log: (text) => this.#log('coordinator', text),
      broke: (error) => this.#bug('coordinator', error),
    })
    this.coordinator.life.end.addEventListener('abort', () => {
      this.say('coordinator', 'dies')
      for (const site of this.sites) site.connection?.break()
    })
  }

  startAgent(site: Site): void {
    if (site.agent?.life.alive) return
    const { id } = site.host
    this.say(id, 'agent starts')
    const random = this.#random.fork(`agent ${id} ${this.clock.now()}`)
    site.agent = new AgentProcess({
      clock: this.clock,
      random,
      host: site.host,
      diskMsMax: this.scenario.diskMsMax,
      templateAgeMs: this.scenario.templateAgeMs,
      behaviour: () => this.#behaviour(random),
      fault: (effect, machine) => this.#fault(random, effect, machine),
      log: (text) => this.#log(id, text),
      broke: (error) => {
        if (!(error instanceof SlipwayError)) this.#bug(`agent of ${id}`, error)
        this.say(id, `agent gives up: ${String(error)}`)
        this.clock.after(RESTART_MS, () => this.startAgent(site))
      },
    })
    site.agent.life.end.addEventListener('abort', () => {
      this.say(id, 'agent dies')
      site.connection?.break()
    })
  }

  /** Connects whoever can be and is not. */
  dial(): void {
    for (const site of this.sites) {
      const { agent, host } = site
      const coordinator = this.coordinator
      const free = site.connection === undefined && this.clock.now() >= site.cutUntilMs
      if (!free || !agent?.ready || !agent.life.alive || !coordinator?.life.alive) continue
      this.say(host.id, 'connects')
      site.connection = connect({
        clock: this.clock,
        random: this.#random.fork(`wire ${host.id} ${this.clock.now()}`),
        weather: () => this.#weather(site),
        agent: (send) => agent.attach(send),
        coordinator: (send, close) => coordinator.attach(host.id, send, close),
        broke: (who, error) => this.#bug(who, error),
        over: () => {
          site.connection = undefined
        },
      })
    }
  }

  /** A front's way to whatever coordinator lives when it calls. */
  calls(front: number): Calls {
    const token = `token of runner ${front}`
    const trustDomain = this.#random.pick(this.scenario.domains)
    this.#domains.add(trustDomain)
    addRunner(this.#database, {
      runner: `runner${front}`,
      trustDomain,
      token,
      createdAtMs: this.clock.wall(),
    })
    const now = (): Calls => {
      if (!this.coordinator) throw new SlipwayError('unreachable', { socket: 'simulated' })
      return this.coordinator.calls(token)
    }
    return {
      ask: (body) => now().ask(body),
      get: (name, query) => now().get(name, query),
      heartbeat: (name) => now().heartbeat(name),
      release: (name) => now().release(name),
      access: (name) => now().access(name),
    }
  }

  removeMachine(machine: MachineId): void {
    this.see({ kind: 'misfortune', machine, what: 'removed by the operator' })
    this.coordinator?.removeMachine(machine)
  }

  /** What the product itself finds wrong in the end. */
  async audit(): Promise<void> {
    const hosts = (await this.coordinator?.audit()) ?? []
    const findings = hosts.flatMap(({ host, findings }) =>
      findings.map(({ problem, kind, name }) => `${problem} ${kind} ${name} on ${host}`),
    )
    this.see({ kind: 'audited', findings })
  }

  close(): void {
    this.#database.close()
  }

  #weather(site: Site): Weather {
    if (this.clock.now() < site.cutUntilMs) return { ...FAIR, loss: 1 }
    return this.calmSinceMs === undefined ? this.scenario.weather : FAIR
  }

  #behaviour(random: Random): GuestBehaviour {
    if (this.calmSinceMs !== undefined || !random.chance(this.scenario.hostility)) return 'honest'
    return random.pick(this.scenario.behaviours)
  }

  #fault(random: Random, effect: Effect, machine: MachineId | undefined): SlipwayError | undefined {
    if (this.calmSinceMs !== undefined || !random.chance(this.scenario.driverFaults)) return undefined
    this.say('driver', `fails to ${effect} ${machine ?? ''}`)
    return new SlipwayError('hypervisor_refused', {
      action: effect,
      object: machine ?? 'host',
      detail: 'chance',
    })
  }

  #bug(who: string, error: unknown): void {
    this.break('no-bug', `${who}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }

  #log(who: string, text: string): void {
    this.say(who, text)
    this.see({ kind: 'logged', text })
  }

  machineId(): MachineId {
    return parseId('MachineId', `m-${this.#ulid()}`)
  }

  #tell(evidence: Evidence): void {
    switch (evidence.kind) {
      case 'started':
        this.say(evidence.host, `guest of ${evidence.machine} runs`)
        break
      case 'misfortune':
        this.say('misfortune', `${evidence.machine}: ${evidence.what}`)
        break
      case 'wanted': {
        const { stamp, machines } = evidence.frame
        const names = machines.map(({ machine, made }) => `${machine}${made ? '+' : ''}`).join(' ')
        this.say('coordinator', `→ ${evidence.host} wanted (${stamp.epoch}, ${stamp.generation}) ${names}`)
        break
      }
      case 'calm':
        this.say('world', 'is calm from here on')
        break
    }
  }
}

/** Until a process that gave up is started anew, as a supervisor does. */
const RESTART_MS = 1_000
