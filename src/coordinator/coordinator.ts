/**
 * The coordinator: it decides. It knows no host and no guest, only agents' reports, and acts only by telling hosts
 * what it wants. Every call is one turn: take the event in, plan, make leases durable, then answer and tell the hosts.
 *
 * A plain object driven by its ports, so that a simulation runs many of them in one process.
 */
import type { FromAgent, LeaseView, MachineView, Reply } from '../api/index.ts'
import { type Failure, type HostId, type MachineId, SlipwayError } from '../model/index.ts'
import { type Caller, Callers, OPERATOR } from './callers.ts'
import { Events } from './events.ts'
import { Fleet } from './fleet.ts'
import { LeaseBook } from './lease-book.ts'
import { type LeaseAsk, Leases } from './leases.ts'
import type { HeldMachine } from './plan/index.ts'
import type { AgentLink, Ports, Settings } from './ports.ts'
import { expectKind, type Question, Questions } from './questions.ts'
import { restore } from './restore.ts'
import { State } from './state.ts'
import type { Token } from './store/tokens.ts'
import { Turn } from './turn.ts'
import { accessView, flavorView, hostView, machineView, tokenView } from './views.ts'

/** Expiry, silence and grace are looked at this often. */
const TICK_MS = 1_000
/** A tick that comes later than this: the process stood still, and nobody is to be punished for it. */
const STALL_MS = 5_000
const PRUNE_EVERY_MS = 600_000
/** A connection that has not said hello by then is closed. */
const HELLO_MS_MAX = 10_000
const QUESTION_MS = 10_000
const LOG_LINES = 100

export interface AgentSession {
  receive(frame: FromAgent): void
  closed(): void
}

export class Coordinator {
  readonly epoch: number
  readonly #ports: Ports
  readonly #settings: Settings
  readonly #state = new State()
  readonly #events: Events
  readonly #book: LeaseBook
  readonly #callers: Callers
  readonly #leases: Leases
  readonly #fleet: Fleet
  readonly #turn: Turn
  readonly #questions: Questions
  #tickedAtMs: number
  #prunedAtMs = Number.NEGATIVE_INFINITY
  #stopTick: () => void = () => {}
  #closing = false
  readonly #inbox: (() => void)[] = []
  #busy = false

  constructor(ports: Ports, settings: Settings) {
    const state = this.#state
    const flavors = new Map(settings.flavors.map((flavor) => [flavor.name, flavor]))
    const events = new Events(ports.log)
    const book = new LeaseBook(state, ports, events)
    const epoch = ports.store.beginEpoch()
    this.#ports = ports
    this.#settings = settings
    this.#events = events
    this.#book = book
    this.epoch = epoch
    this.#callers = new Callers(ports)
    this.#leases = new Leases({ state, ports, events, book, flavors })
    this.#fleet = new Fleet({ state, ports, events, book, epoch })
    const domains = () => this.#callers.domains(flavors.values())
    this.#turn = new Turn({ state, ports, events, book, flavors, domains })
    this.#questions = new Questions(ports.clock, ports.ids)
    restore(state, ports)
    this.#tickedAtMs = ports.clock.now()
    events.started({ database: ports.store.database, epoch, leases: state.leases.size })
    this.#tick()
  }

  /** An agent has dialled in. It is nobody until its hello. */
  agentConnected(link: AgentLink): AgentSession {
    const cancel = this.#ports.clock.after(HELLO_MS_MAX, () => {
      if (!this.#fleet.hostOf(link)) link.close()
    })
    return {
      receive: (frame) => this.#after(() => this.#receive(link, frame)),
      closed: () => {
        cancel()
        this.#after(() => {
          this.#questions.abandon(link)
          this.#fleet.closed(link)
        })
      },
    }
  }

  /** The runner that a token was made for; the operator when there is none. */
  caller(token: string | undefined): Caller {
    return token === undefined ? OPERATOR : this.#callers.find(token)
  }

  ask(caller: Caller, ask: LeaseAsk): LeaseView {
    if (this.#closing) throw new SlipwayError('shutting_down')
    const { id } = this.#during(() => this.#leases.ask(caller, ask)).lease
    return this.get(caller, id)
  }

  get(caller: Caller, name: string): LeaseView {
    return this.#leases.view(this.#leases.find(caller, name))
  }

  /**
   * `get`, held back until the state differs from `state`, for `waitMs` at most. An owner who asks is alive: this
   * counts as a heartbeat, when it begins, while it waits and when it ends.
   */
  async wait(
    caller: Caller,
    name: string,
    {
      state,
      waitMs,
      signal,
    }: { readonly state?: LeaseView['state']; readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<LeaseView> {
    const now = this.#leases.view(this.#leases.touch(caller, name))
    if (now.state !== (state ?? now.state) || now.state === 'ended' || this.#closing) return now
    await new Promise<void>((resolve) => {
      const done = (): void => {
        unwatch()
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const unwatch = this.#book.watch(now.id, done)
      const cancel = this.#ports.clock.after(waitMs, done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
    if (signal.aborted) throw new SlipwayError('cancelled', { what: `waiting for lease "${name}"` })
    return this.#leases.view(this.#leases.touch(caller, now.id))
  }

  heartbeat(caller: Caller, name: string): LeaseView {
    return this.#leases.view(this.#leases.heartbeat(caller, name))
  }

  release(caller: Caller, name: string): LeaseView {
    return this.#leases.view(this.#during(() => this.#leases.release(caller, name)))
  }

  access(caller: Caller, name: string): Reply<'leaseAccess'> {
    return this.#leases.access(caller, name)
  }

  list(caller: Caller, { ended }: { readonly ended: boolean }): LeaseView[] {
    return this.#leases.list(caller, { ended })
  }

  flavors(): Reply<'flavorList'>['flavors'] {
    return this.#settings.flavors.map(flavorView)
  }

  health(): Reply<'health'> {
    const leases = [...this.#state.leases.values()]
    const waiting = leases.filter(({ lease }) => lease.state === 'waiting').length
    return {
      version: this.#settings.version,
      epoch: this.epoch,
      database: this.#ports.store.database,
      hosts: [...this.#state.hosts.values()].filter(({ link }) => link).length,
      leases: { waiting, granted: leases.length - waiting },
      machines: this.#state.machines.size,
    }
  }

  machines(): MachineView[] {
    return [...this.#state.machines.values()].map((machine) => machineView(machine, this.#state))
  }

  machine(id: MachineId): MachineView {
    return machineView(this.#machine(id), this.#state)
  }

  machineAccess(id: MachineId): Reply<'machineAccess'> {
    const { access, host } = this.#machine(id)
    if (!access) throw new SlipwayError('host_away', { host })
    return accessView(access)
  }

  /** The operator takes a machine away; its lease ends as lost. */
  removeMachine(id: MachineId): MachineView {
    const machine = this.#machine(id)
    this.#during(() => {
      const live = machine.lease === undefined ? undefined : this.#state.leases.get(machine.lease)
      const failure: Failure = { code: 'machine_removed', args: { machine: id } }
      if (live) this.#book.settle({ ends: [{ live, end: 'lost', failure }], grants: [] })
      this.#state.doom(this.#machine(id), this.#ports.clock.now())
      this.#events.machineDoomed({ machine: id, why: 'removed' })
    })
    return this.machine(id)
  }

  async machineLog(id: MachineId, lines = LOG_LINES): Promise<readonly string[]> {
    const { host } = this.#machine(id)
    const answer = await this.#question(host, { kind: 'log', machine: id, lines })
    return expectKind(answer, { kind: 'log', host }).lines
  }

  /** Asks the machine's agent to open a stream of this name onto its console. */
  async openConsole(id: MachineId, stream: string): Promise<void> {
    const { host } = this.#machine(id)
    expectKind(await this.#question(host, { kind: 'console', machine: id, stream }), { kind: 'opened', host })
  }

  hosts(): Reply<'hostList'>['hosts'] {
    return [...this.#state.hosts.values()].map((host) => hostView(host, this.#state))
  }

  /** What each host finds when it compares what is there with what should be. A host that cannot say is a finding. */
  async audit(): Promise<Reply<'audit'>['hosts']> {
    return Promise.all(
      [...this.#state.hosts.keys()].map(async (host) => {
        const answer = await this.#question(host, { kind: 'audit' }).catch(() => undefined)
        const findings =
          answer?.kind === 'audit'
            ? answer.findings
            : [{ kind: 'host', name: host, problem: 'missing' as const }]
        return { host, findings }
      }),
    )
  }

  createToken(ask: Omit<Token, 'createdAtMs'>): Reply<'tokenCreate'> {
    const { token, made } = this.#during(() => this.#callers.create(ask))
    return { token, ...tokenView(made) }
  }

  tokens(): Reply<'tokenList'>['tokens'] {
    return this.#callers.list().map(tokenView)
  }

  revokeToken(runner: string): Reply<'tokenRevoke'> {
    return tokenView(this.#during(() => this.#callers.revoke(runner)))
  }

  /** Event → how often since the start. */
  get counts(): ReadonlyMap<string, number> {
    return this.#events.counts
  }

  /** Stops deciding. Leases and machines stay as they are; whoever waits is answered. */
  close(): void {
    this.#closing = true
    this.#stopTick()
    this.#questions.close()
    this.#book.wakeAll()
  }

  #receive(link: AgentLink, frame: FromAgent): void {
    if (frame.type === 'hello') this.#fleet.hello(link, frame)
    else if (frame.type === 'report') this.#fleet.report(link, frame)
    else this.#questions.answer(link, frame)
  }

  #tick(): void {
    const { clock, store } = this.#ports
    const now = clock.now()
    const stalledMs = now - this.#tickedAtMs - TICK_MS
    this.#tickedAtMs = now
    if (stalledMs > STALL_MS) {
      this.#events.stalled({ stalledMs })
      this.#state.shift(stalledMs)
    }
    this.#after(() => {
      this.#leases.touchWatched()
      this.#fleet.tick()
      if (now - this.#prunedAtMs < PRUNE_EVERY_MS) return
      this.#prunedAtMs = now
      store.prune(clock.wall())
    })
    this.#stopTick = clock.after(TICK_MS, () => this.#tick())
  }

  /** A caller's turn: its failure is the caller's to hear. */
  #during<T>(task: () => T): T {
    const result = task()
    this.#after(() => {})
    return result
  }

  /** An event's turn. What arrives while one is under way waits for its end. */
  #after(event: () => void): void {
    this.#inbox.push(event)
    if (this.#busy) return
    this.#busy = true
    try {
      for (let next = this.#inbox.shift(); next && !this.#closing; next = this.#inbox.shift())
        this.#take(next)
    } finally {
      this.#busy = false
    }
  }

  /** A store that refuses is logged, nothing has changed, and the next report or tick brings the event again. */
  #take(event: () => void): void {
    try {
      event()
      this.#turn.run()
    } catch (error) {
      if (!(error instanceof SlipwayError) || error.code !== 'database_failed') throw error
      this.#events.storeFailed({ failure: error.failure })
    }
    this.#fleet.flush()
  }

  #machine(id: MachineId): HeldMachine {
    const machine = this.#state.machines.get(id)
    if (!machine) throw new SlipwayError('not_found', { kind: 'machine', name: id })
    return machine
  }

  async #question(host: HostId, question: Question): ReturnType<Questions['ask']> {
    const link = this.#state.hosts.get(host)?.link
    if (!link) throw new SlipwayError('host_away', { host })
    return this.#questions.ask({ link, host }, question, { deadlineMs: QUESTION_MS })
  }
}
