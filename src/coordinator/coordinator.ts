/**
 * The coordinator: it decides. It knows no host and no guest, only agents' reports, and acts only by telling hosts
 * what it wants. Every call is one turn: take the event in, plan, make leases durable, then answer and tell the hosts.
 *
 * A plain object driven by its ports, so that a simulation runs many of them in one process.
 */
import type { FromAgent, LeaseView, MachineView, Reply } from '../api/index.ts'
import { type MachineId, SlipwayError } from '../model/index.ts'
import { type Caller, Callers, OPERATOR } from './callers.ts'
import { Events } from './events.ts'
import { Fleet } from './fleet.ts'
import { type GroupHold, Groups } from './groups.ts'
import { Inventory } from './inventory.ts'
import { LeaseBook } from './lease-book.ts'
import { type LeaseAsk, Leases, type LeaseWait } from './leases.ts'
import { Policies } from './policy/index.ts'
import type { AgentLink, Ports, Settings } from './ports.ts'
import { Questions } from './questions.ts'
import { restore } from './restore.ts'
import { State } from './state.ts'
import type { Token } from './store/tokens.ts'
import { Turn } from './turn.ts'
import { Uniqueness } from './uniqueness.ts'
import { flavorView, tokenView } from './views.ts'
import { WantedSets } from './wanted.ts'

/** Expiry, silence and grace are looked at this often. */
const TICK_MS = 1_000
/** A tick that is late by more than this: the process stood still, and nobody is to be punished for it. */
const STALL_MS = 5_000
const PRUNE_EVERY_MS = 600_000
/** A connection that has not said hello by then is closed. */
const HELLO_MS_MAX = 10_000

export interface AgentSession {
  receive(frame: FromAgent): void
  /** What came is no frame: the connection ends. */
  malformed(detail: string): void
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
  readonly #groups: Groups
  readonly #fleet: Fleet
  readonly #wanted: WantedSets
  readonly #turn: Turn
  readonly #questions: Questions
  readonly #inventory: Inventory
  #awakeAtMs: number
  #prunedAtMs = Number.NEGATIVE_INFINITY
  #stopTick: () => void = () => {}
  #closing = false
  readonly #inbox: (() => void)[] = []
  #busy = false

  constructor(ports: Ports, settings: Settings) {
    const state = this.#state
    const flavors = new Map(settings.flavors.map((flavor) => [flavor.name, flavor]))
    const events = new Events(ports.log)
    const uniqueness = new Uniqueness(ports.store)
    const policies = new Policies(settings.policies ?? new Map())
    const book = new LeaseBook({ state, ports, events, uniqueness, policies })
    const epoch = ports.store.beginEpoch()
    this.#ports = ports
    this.#settings = settings
    this.#events = events
    this.#book = book
    this.epoch = epoch
    this.#callers = new Callers(ports)
    this.#leases = new Leases({ state, ports, events, book, flavors })
    this.#groups = new Groups(ports.clock)
    this.#fleet = new Fleet({ state, ports, events, book, uniqueness, epoch })
    this.#wanted = new WantedSets({ state, clock: ports.clock, epoch })
    const domains = () => this.#callers.domains(flavors.values())
    this.#turn = new Turn({ state, ports, events, book, flavors, policies, domains })
    this.#questions = new Questions(ports.clock, ports.ids)
    this.#inventory = new Inventory({ state, ports, events, book, questions: this.#questions, flavors })
    restore(state, ports, flavors)
    this.#awakeAtMs = ports.clock.now()
    events.started({ database: ports.store.database, epoch, leases: state.leases.size })
    this.#tick()
  }

  /** An agent has dialled in. It is nobody until its hello. */
  agentConnected(link: AgentLink): AgentSession {
    const cancel = this.#ports.clock.after(HELLO_MS_MAX, () => {
      if (!this.#fleet.hostOf(link)) link.close()
    })
    return {
      receive: (frame) =>
        this.#after(() => {
          if (frame.type === 'answer') this.#questions.answer(link, frame)
          else this.#fleet.take(link, frame)
        }),
      malformed: (detail) => this.#after(() => this.#fleet.misbehaved(link, detail)),
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
    this.#book.assertMade(id)
    return this.get(caller, id)
  }

  get(caller: Caller, name: string): LeaseView {
    return this.#leases.view(this.#leases.find(caller, name))
  }

  /** `get`, held back until the state differs from `state`, for `waitMs` at most. An owner who waits is alive. */
  async wait(caller: Caller, name: string, wait: LeaseWait): Promise<LeaseView> {
    return this.#closing ? this.get(caller, name) : this.#leases.wait(caller, name, wait)
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

  /** Resolves when `waitMs` are over; throws `group_held`. */
  async holdGroup(caller: Caller, hold: GroupHold): Promise<void> {
    if (!this.#closing) await this.#groups.hold(caller, hold)
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

  /** What the operator may see and have changed on hosts. */
  get inventory(): Inventory {
    return this.#inventory
  }

  machines(): MachineView[] {
    return this.#inventory.machines()
  }

  machine(id: MachineId): MachineView {
    return this.#inventory.machine(id)
  }

  machineAccess(id: MachineId): Reply<'machineAccess'> {
    return this.#inventory.access(id)
  }

  /** The operator takes a machine away; its lease ends as lost. */
  removeMachine(id: MachineId): MachineView {
    return this.#during(() => this.#inventory.remove(id))
  }

  machineLog(id: MachineId, lines?: number): Promise<readonly string[]> {
    return this.#inventory.log(id, lines)
  }

  openConsole(id: MachineId, stream: string): Promise<void> {
    return this.#inventory.openConsole(id, stream)
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
    this.#wanted.close()
    this.#questions.close()
    this.#book.wakeAll()
  }

  #tick(): void {
    const { clock, store } = this.#ports
    this.#after(() => {
      this.#leases.touchWaiting()
      this.#fleet.tick()
      this.#book.flush()
      if (clock.now() - this.#prunedAtMs < PRUNE_EVERY_MS) return
      if (!store.prune(clock.wall())) this.#prunedAtMs = clock.now()
    })
    this.#stopTick = clock.after(TICK_MS, () => this.#tick())
  }

  /** There is an event a tick at least; when none came for long, nobody could be heard, so nobody was silent. */
  #forgiveStall(): void {
    const now = this.#ports.clock.now()
    const stalledMs = now - this.#awakeAtMs - TICK_MS
    this.#awakeAtMs = now
    if (stalledMs < STALL_MS) return
    this.#events.stalled({ stalledMs })
    this.#state.shift(stalledMs, now)
  }

  /** A caller's turn: its failure is the caller's to hear. */
  #during<T>(task: () => T): T {
    try {
      return task()
    } catch (error) {
      this.#storeFailed(error)
      throw error
    } finally {
      this.#after(() => {})
    }
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
    this.#forgiveStall()
    try {
      event()
      this.#turn.run()
    } catch (error) {
      if (!this.#storeFailed(error)) throw error
    }
    this.#wanted.flush()
  }

  #storeFailed(error: unknown): boolean {
    const failed = error instanceof SlipwayError && error.code === 'database_failed'
    if (failed) this.#events.storeFailed({ failure: error.failure })
    return failed
  }
}
