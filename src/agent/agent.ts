/**
 * One per hypervisor: makes the host agree with the coordinator's wanted set, and says what is there.
 *
 * Everything that happens is a message in one inbox; one loop drains it, decides by `reconcile`, acts and reports.
 * What takes time runs beside the loop and ends as a message. Without a coordinator the agent keeps what it has:
 * machines are pinged, creations finish, nothing new is destroyed.
 *
 *   start: allegiance, records, driver.list, driver.running ─► in control, nothing reaped yet
 *   welcome + first wanted set ─► reconcile in each turn, scan for strays every SCAN_EVERY_MS
 */
import type { FromCoordinator } from '../api/index.ts'
import { REPORT_EVERY_MS } from '../api/server.ts'
import {
  assertNever,
  compareStamps,
  type HostFacts,
  type HostId,
  type MachineId,
  parseId,
  STAMP_ZERO,
  type Stamp,
  type WantedMachine,
} from '../model/index.ts'
import { type Allegiance, admit, greet, NO_ALLEGIANCE, type Verdict } from './allegiance.ts'
import { Asks } from './asks.ts'
import { Conversation } from './conversation.ts'
import { Effects } from './effects.ts'
import { freshest } from './freshest.ts'
import { observe } from './held.ts'
import { Keeper } from './keeper.ts'
import type { Message } from './message.ts'
import type { AgentPorts, Send } from './ports.ts'
import { reconcile } from './reconcile.ts'
import { recover } from './recover.ts'
import { type Scan, Scanner } from './scan.ts'
import type { Foundry, WantedTemplates } from './templates/index.ts'
import { Watch } from './watch.ts'
import { Yard, type YardOptions } from './yard.ts'

export type AgentOptions = YardOptions

/** `keep`: machines run on, for the next agent to find. `destroy`: none is left, nor what the driver keeps. */
export type OnStop = 'keep' | 'destroy'

/** Frames beyond are dropped, as the wire may drop them. */
const INBOX_MAX = 10_000
/** What cannot be removed for longer does not keep a host from its work. */
const SETTLE_MS_MAX = 60_000
/** For all machines to be gone, when asked to leave none. */
const STOP_MS = 60_000

export class Agent {
  readonly #ports: AgentPorts
  readonly #host: HostId
  readonly #effects: Effects
  readonly #keeper: Keeper
  readonly #foundry: Foundry | undefined
  readonly #watch: Watch
  readonly #asks: Asks
  readonly #scanner = new Scanner()
  readonly #inbox: Message[] = []
  #started = false
  #startedAtMs = 0
  #draining = false
  #stopping = false
  #allegiance: Allegiance = NO_ALLEGIANCE
  #facts: HostFacts | undefined
  #conversation: Conversation | undefined
  /** Undefined until the first set of this life: till then all is left as it is. */
  #wanted: ReadonlyMap<MachineId, WantedMachine> | undefined
  /** Of the set last heard in this conversation: between two of them no build begins or ends. */
  #wantedTemplates: WantedTemplates
  /** Of that set; older than any before the first. */
  #stamp: Stamp = STAMP_ZERO

  constructor(ports: AgentPorts, options: AgentOptions) {
    const post = (message: Message): void => this.#post(message)
    this.#ports = ports
    this.#host = options.host
    this.#effects = new Effects(ports.clock)
    const yard = new Yard(ports, options, this.#effects, post)
    this.#foundry = yard.foundry
    this.#keeper = new Keeper(ports, yard)
    this.#watch = new Watch(ports, this.#effects, post)
    this.#asks = new Asks(ports, this.#effects, yard.foundry)
  }

  /** Resolves when the agent has stopped; rejects on a bug, upon which the process should end and start anew. */
  get done(): Promise<void> {
    return this.#effects.done
  }

  /** Finds what an earlier life left. Once it resolves the agent is in control; throws what the driver throws. */
  async start(): Promise<void> {
    const { memory, facts, events } = this.#ports
    const { machines } = this.#keeper
    this.#allegiance = await memory.load()
    for (const held of await recover(this.#ports)) machines.set(held)
    this.#facts = await facts()
    this.#started = true
    this.#startedAtMs = this.#ports.clock.now()
    events.started(machines.held.values())
    this.#effects.every(REPORT_EVERY_MS, () => this.#askFacts())
    this.#watch.begin(machines.held)
    await this.#foundry?.begin()
    this.#post({ kind: 'turn' })
  }

  /** A connection to the coordinator is up; it replaces an earlier one. `receive` is given frames already parsed. */
  connected(send: Send): { receive(frame: FromCoordinator): void; closed(): void } {
    const conversation = new Conversation(send)
    this.#post({ kind: 'connected', conversation })
    return {
      receive: (frame) => {
        if (this.#inbox.length < INBOX_MAX) this.#post({ kind: 'frame', conversation, frame })
      },
      closed: () => this.#post({ kind: 'closed', conversation }),
    }
  }

  /** Ends all that runs; after `destroy` nothing of ours is left on the host, unless its removal takes too long. */
  async stop(onStop: OnStop): Promise<void> {
    const { held } = this.#keeper.machines
    if (onStop === 'destroy') {
      this.#stopping = true
      this.#wanted = new Map()
      this.#post({ kind: 'turn' })
      await this.#effects.until(() => held.size === 0, STOP_MS)
    }
    await this.#effects.end()
    if (onStop === 'destroy') await this.#ports.driver.close()
    this.#ports.events.stopped(held.size)
  }

  #post(message: Message): void {
    if (this.#effects.signal.aborted) return
    this.#inbox.push(message)
    if (!this.#started || this.#draining) return
    this.#draining = true
    void this.#effects.run(() => this.#drain())
  }

  async #drain(): Promise<void> {
    // What is posted in the same turn is decided and reported together.
    await Promise.resolve()
    while (this.#inbox.length > 0) {
      for (const message of freshest(this.#inbox.splice(0))) await this.#handle(message)
      this.#decide()
      this.#tellChanges()
    }
    this.#draining = false
  }

  #decide(): void {
    if (this.#wanted === undefined || this.#facts === undefined) return
    const { held } = this.#keeper.machines
    for (const action of reconcile(this.#wanted, observe(held))) this.#keeper.act(action, this.#facts)
    this.#foundry?.heed(this.#settling().settling ? undefined : this.#wantedTemplates)
  }

  async #handle(message: Message): Promise<void> {
    switch (message.kind) {
      case 'connected':
        this.#conversation = message.conversation
        this.#wantedTemplates = undefined
        return this.#tellAll()
      case 'closed':
        if (this.#conversation !== message.conversation) return
        this.#conversation = undefined
        return this.#ports.events.disconnected()
      case 'frame':
        if (this.#conversation === message.conversation) await this.#hear(message.conversation, message.frame)
        return
      case 'report':
        this.#facts = message.facts ?? this.#facts
        return this.#tellAll()
      case 'scanned':
        return this.#judge(message.scan)
      case 'driver':
        return this.#keeper.heed(message.event)
      case 'made':
      case 'failed':
        return this.#keeper.settle(message)
      case 'lost':
        return this.#keeper.lose(message)
      case 'removed':
        return this.#keeper.removed(message.machine)
      case 'pinged':
        return this.#keeper.pinged(message)
      case 'turn':
        return
      default:
        assertNever(message)
    }
  }

  async #hear(conversation: Conversation, frame: FromCoordinator): Promise<void> {
    switch (frame.type) {
      case 'welcome': {
        const database = parseId('DatabaseId', frame.database)
        const known = conversation.welcomed
        conversation.welcomed = await this.#obey(greet(this.#allegiance, this.#host, database, frame.epoch))
        if (conversation.welcomed && !known) this.#ports.events.connected(frame.epoch)
        return
      }
      case 'refused':
        return this.#ports.events.refused(frame.failure)
      case 'wanted':
        if (!conversation.welcomed || this.#stopping) return
        if (!(await this.#obey(admit(this.#allegiance, frame.stamp)))) return
        // Told to stop while the stamp was written: nothing is wanted any more.
        if (this.#stopping) return
        this.#stamp = frame.stamp
        this.#wantedTemplates = frame.templates
        this.#wanted = new Map(frame.machines.map((machine) => [machine.machine, machine]))
        return
      case 'ask': {
        const view = () => ({ held: this.#keeper.machines.held, wanted: this.#wanted ?? new Map() })
        return this.#asks.ask(frame.question, view, (answer) => conversation.answer(frame.ask, answer))
      }
      default:
        assertNever(frame)
    }
  }

  /** True once the host's allegiance is as the verdict says, on disk too: a killed agent must not forget it. */
  async #obey(verdict: Verdict): Promise<boolean> {
    const { events, memory } = this.#ports
    if ('refuse' in verdict) {
      events.refused(verdict.refuse)
      return false
    }
    const { database, stamp } = verdict.obey
    const same = database === this.#allegiance.database && compareStamps(stamp, this.#allegiance.stamp) === 0
    try {
      if (!same) await memory.save(verdict.obey)
    } catch (error) {
      events.trouble('remember whom to obey', error)
      return false
    }
    this.#allegiance = verdict.obey
    return true
  }

  #judge(scan: Scan): void {
    const { remove, vanished } = this.#scanner.judge(scan, this.#keeper.machines.held)
    for (const machine of vanished) this.#keeper.vanished(machine)
    if (this.#wanted !== undefined) this.#watch.reap(remove)
  }

  #askFacts(): void {
    this.#effects.once('facts', async () => {
      try {
        this.#post({ kind: 'report', facts: await this.#ports.facts() })
      } catch (error) {
        this.#ports.events.trouble('facts', error)
        this.#post({ kind: 'report' })
      }
    })
  }

  /** Whoever is told under a stamp that a machine is not there takes it for gone: decide first, then tell. */
  #tellAll(): void {
    this.#decide()
    if (this.#conversation === undefined || this.#facts === undefined) return
    const templates = this.#foundry?.templates()
    const facts = { ...this.#facts, ...(templates && { templates }), ...this.#settling() }
    const news = { machines: this.#keeper.machines.all(), facts }
    if (this.#conversation.welcomed) this.#conversation.reportAll(this.#stamp, news)
    else this.#conversation.hello(this.#host, this.#allegiance, news)
  }

  /** What an earlier life left without a record goes with the first wanted set; till then nobody counts its room. */
  #settling(): Pick<HostFacts, 'settling'> {
    if (this.#ports.clock.now() - this.#startedAtMs > SETTLE_MS_MAX) return {}
    return this.#keeper.machines.hasUnknown() ? { settling: true } : {}
  }

  #tellChanges(): void {
    if (!this.#conversation?.welcomed) return
    const changes = this.#keeper.machines.changes()
    if (changes) this.#conversation.reportChanges(this.#stamp, changes.machines, changes.gone)
  }
}
