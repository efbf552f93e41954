/** Where machines are made and broken up: so many at once, each way out of each state leaving nothing behind. */
import {
  type Failure,
  type HostId,
  type MachineId,
  type MachineSpec,
  SlipwayError,
  sleep,
  type TemplateId,
  type TimelineStep,
  toFailure,
} from '../model/index.ts'
import type { Effects } from './effects.ts'
import { type Attempt, type Held, TAIL_LINES } from './held.ts'
import { Lanes } from './lanes.ts'
import { makeMachine } from './make.ts'
import type { Post } from './message.ts'
import type { AgentPorts } from './ports.ts'
import { Foundry, type TemplateLimits } from './templates/index.ts'
import { Unseen } from './unseen.ts'

const REMOVALS_AT_ONCE = 8
/** A removal that takes longer is tried again. */
const REMOVE_MS = 60_000
const RETRY_MS = 2_000
/** For a making to end once it is told to; then its machine is destroyed under it. */
const CANCEL_MS = 10_000
const TAIL_MS = 1_000
/** A machine that was just made has a job, whose first steps go before anything made ahead. */
const QUIET_MS = 1_000

export interface YardOptions {
  readonly host: HostId
  /** Path of the tools disk, if the operator gave tools. */
  readonly tools?: string
  /** Machines in the making at once; more wait their turn. */
  readonly clonesAtOnce: number
  /** How long a guest may take from power-on until its guest agent answers. */
  readonly bootMs: number
  /** Absent: every machine boots. */
  readonly templates?: TemplateLimits
}

export interface Making {
  readonly machine: MachineId
  readonly spec: MachineSpec
  readonly attempt: number
  readonly acceleration: 'hardware' | 'emulated'
}

export class Yard {
  readonly foundry: Foundry | undefined
  readonly #ports: AgentPorts
  readonly #options: YardOptions
  readonly #effects: Effects
  readonly #post: Post
  readonly #clones: Lanes
  readonly #removals = new Lanes(REMOVALS_AT_ONCE)
  readonly #unseen: Unseen
  #making = 0
  #quietSinceMs = Number.NEGATIVE_INFINITY

  constructor(ports: AgentPorts, options: YardOptions, effects: Effects, post: Post) {
    this.#ports = ports
    this.#options = options
    this.#effects = effects
    this.#post = post
    this.#clones = new Lanes(options.clonesAtOnce)
    this.#unseen = new Unseen(options.host)
    const { templates, ...rest } = options
    if (templates === undefined) return
    this.foundry = new Foundry(
      { ...ports, unseen: this.#unseen },
      { ...rest, limits: templates, isQuiet: () => this.#isQuiet() },
      effects,
      () => post({ kind: 'report' }),
    )
  }

  /** Starts to make a machine; ends with `made` or `failed`, or silently when cancelled. */
  make({ machine, spec, attempt, acceleration }: Making): Attempt {
    const { clock } = this.#ports
    const { signal: life } = this.#effects
    const startMs = clock.now()
    const timeline: TimelineStep[] = []
    const step = (name: string): void => void timeline.push({ step: name, atMs: clock.now() - startMs })
    this.#making += 1
    this.foundry?.hulls.take(machine)
    const controller = new AbortController()
    const endWithAgent = (): void => controller.abort(life.reason)
    life.addEventListener('abort', endWithAgent, { once: true })
    const settled = this.#effects.run(async () => {
      const { signal } = controller
      let template: TemplateId | undefined
      try {
        const access = await this.#clones.run(signal, async () => {
          step('turn')
          template = await this.foundry?.serving(spec)
          step(template === undefined ? 'cold' : 'warm')
          const options = {
            ...this.#options,
            acceleration,
            template,
            unseen: this.#unseen,
          }
          return makeMachine(this.#ports, options, { machine, spec, timeline, step, signal })
        })
        if (template !== undefined) this.foundry?.cloned(template, undefined)
        this.#post({ kind: 'made', machine, attempt, access })
      } catch (error) {
        if (isCancelled(signal.reason)) return
        const cause = signal.aborted ? signal.reason : error
        if (template !== undefined) this.foundry?.cloned(template, cause)
        const failure = toFailure(cause, 'create_failed', { machine, step: timeline.at(-1)?.step ?? 'turn' })
        this.#post({ kind: 'failed', machine, attempt, failure, consoleTail: await this.#tail(machine) })
      } finally {
        if (template !== undefined) this.foundry?.handBack(template)
        life.removeEventListener('abort', endWithAgent)
        this.#making -= 1
        this.#quietSinceMs = clock.now()
      }
    })
    return { timeline, stop: (reason) => controller.abort(reason), settled }
  }

  #isQuiet(): boolean {
    return this.#making === 0 && this.#ports.clock.now() - this.#quietSinceMs >= QUIET_MS
  }

  /** Reads a dead machine's last words, then says that it is lost. */
  mourn(machine: MachineId, failure: Failure): void {
    void this.#effects.run(async () => {
      this.#post({ kind: 'lost', machine, failure, consoleTail: await this.#tail(machine) })
    })
  }

  /** Removes everything of a machine, its record last; ends with `removed`. */
  destroy(held: Held): void {
    const { machine } = held
    this.#remove(machine, async () => {
      if (held.state === 'creating') await this.#giveUp(held.settled)
      await this.#destroy(machine)
      await this.#ports.records.remove(machine)
    })
  }

  /** Removes a dead machine's resources. The news of a loss is recorded first, so that it outlives the agent. */
  clear(held: Held): void {
    const { machine, spec, timeline } = held
    this.#remove(machine, async () => {
      const lost = spec !== undefined && 'death' in held && held.death.end === 'lost'
      if (lost)
        await this.#ports.records.put({ machine, spec, timeline, state: 'lost', ...wordsOf(held.death) })
      await this.#destroy(machine)
      if (!lost) await this.#ports.records.remove(machine)
    })
  }

  /** `task`, as often as it takes. */
  #remove(machine: MachineId, task: () => Promise<void>): void {
    const { clock, events } = this.#ports
    const { signal } = this.#effects
    void this.#effects.run(async () => {
      for (;;) {
        try {
          await task()
          return this.#post({ kind: 'removed', machine })
        } catch (error) {
          if (signal.aborted) return
          events.trouble('destroy', error, machine)
        }
        await sleep(clock, RETRY_MS, signal)
      }
    })
  }

  #destroy(machine: MachineId): Promise<void> {
    const { signal } = this.#effects
    return this.#removals.run(signal, () =>
      this.#effects.within('destroy', REMOVE_MS, () => this.#ports.driver.destroy(machine)),
    )
  }

  /** A making that does not end when told to is a driver that hangs: what it makes later is a stray. */
  async #giveUp(settled: Promise<void>): Promise<void> {
    await this.#effects.within('cancel', CANCEL_MS, () => settled).catch(() => undefined)
  }

  async #tail(machine: MachineId): Promise<readonly string[]> {
    const read = () => this.#ports.driver.console(machine, { lines: TAIL_LINES })
    return this.#effects.within('console', TAIL_MS, read).catch(() => [])
  }
}

const wordsOf = ({ failure, consoleTail }: { failure: Failure; consoleTail: readonly string[] }) => ({
  failure,
  consoleTail,
})

const isCancelled = (reason: unknown): boolean =>
  reason instanceof SlipwayError && reason.code === 'cancelled'
