/**
 * A host's templates: which there are, which serves whom, which is being built. Decides nothing itself: every
 * `LOOK_EVERY_MS`, and when something ended, it looks, asks `templatePlan`, and does what that says.
 */
import {
  type HostTemplate,
  type ImageDigest,
  type MachineSpec,
  SlipwayError,
  shapeKey,
  shapeOf,
  type TemplateId,
  type TemplateShape,
  toFailure,
} from '../../model/index.ts'
import type { Template } from '../drivers/driver.ts'
import type { Effects } from '../effects.ts'
import type { AgentPorts } from '../ports.ts'
import type { ReadyPorts } from '../ready.ts'
import { cast } from './cast.ts'
import { Clones } from './clones.ts'
import { isTemplatesFault } from './fault.ts'
import { Hulls } from './hulls.ts'
import {
  type TemplateLimits,
  type TemplatePlan,
  type TemplateView,
  templatePlan,
  type WantedKey,
} from './plan.ts'
import { percentDone } from './progress.ts'
import { described, isReserved, reservationsOf, type WantedTemplates, waiting } from './view.ts'

export interface FoundryOptions {
  readonly tools?: string
  readonly bootMs: number
  readonly limits: TemplateLimits
  /** No machine is made now, nor was a moment ago. */
  readonly isQuiet: () => boolean
}

const LOOK_EVERY_MS = 2_000
const LOOK_MS = 30_000
/** An agent is in control with or without templates. */
const FIRST_LOOK_MS = 3_000

interface Build {
  readonly wanted: WantedKey
  readonly abort: AbortController
  percent: number
}

type Ports = AgentPorts & Pick<ReadyPorts, 'unseen'>

export class Foundry {
  readonly hulls: Hulls
  readonly #ports: Ports
  readonly #options: FoundryOptions
  readonly #effects: Effects
  /** Something that a report says of templates has changed. */
  readonly #changed: () => void
  readonly #failed = new Map<string, { readonly count: number; readonly lastAtMs: number }>()
  readonly #clones = new Clones()
  #wanted: WantedTemplates
  #present: readonly Template[] = []
  #plan: TemplatePlan | undefined
  #waiting: readonly HostTemplate[] = []
  /** Wanted ones that this host cannot make. */
  #unable: readonly HostTemplate[] = []
  #build: Build | undefined
  #told = ''
  /** Once: a machine that is made before would boot, whatever there is. */
  readonly #looked = Promise.withResolvers<void>()

  constructor(ports: Ports, options: FoundryOptions, effects: Effects, changed: () => void) {
    this.#ports = ports
    this.#options = options
    this.#effects = effects
    this.#changed = changed
    this.hulls = new Hulls(ports, { ...options, hulls: options.limits.hulls }, effects)
  }

  /** Resolves once it knows what there is: what the host says of itself before would have machines boot. */
  async begin(): Promise<void> {
    this.#effects.every(LOOK_EVERY_MS, () => this.look())
    const looked = () => this.#looked.promise
    await this.#effects.within('looking at templates', FIRST_LOOK_MS, looked).catch(() => undefined)
  }

  /** What is wanted from now on. A build whose room is reserved no more ends. */
  heed(wanted: WantedTemplates): void {
    if (wanted === this.#wanted) return
    if (reservationsOf(wanted) !== reservationsOf(this.#wanted)) this.#changed()
    this.#wanted = wanted
    const build = this.#build
    if (build !== undefined && wanted !== undefined && !isReserved(wanted, build.wanted.shape))
      this.#stop(build)
    this.look()
  }

  /** The template to clone a machine of this spec from, which stays there until `handBack`; undefined: it boots. */
  async serving(spec: MachineSpec): Promise<TemplateId | undefined> {
    await this.#looked.promise
    const key = await this.#keyOf(shapeOf(spec))
    const id = key === undefined ? undefined : this.#plan?.serve.get(key)
    return id !== undefined && this.#clones.begin(id) ? id : undefined
  }

  /** The clone that it was asked for is made, or will not be. */
  handBack(id: TemplateId): void {
    this.#clones.end(id)
  }

  /** Its successor is wanted, whatever its age, and whatever becomes of this agent. Throws `not_found`. */
  async rebuild(id: TemplateId): Promise<void> {
    await this.#ports.driver.markStale(id)
    this.look()
  }

  /** Throws `not_found`, and `conflict` while a machine lives on it. One that is wanted is built anew. */
  async remove(id: TemplateId): Promise<void> {
    const there = await this.#ports.driver.templates()
    if (!there.some((template) => template.id === id))
      throw new SlipwayError('not_found', { kind: 'template', name: id })
    await this.#discard(id)
    this.look()
  }

  /** How a clone of the template came out; undefined: well. */
  cloned(id: TemplateId, error: unknown): void {
    const failed = error !== undefined
    if ((failed && !isTemplatesFault(error)) || !this.#clones.turnsBad(id, failed)) return
    this.#ports.events.templateBad(id, toFailure(error, 'host_setup', { object: 'a clone' }))
    this.look()
  }

  /** Undefined until it has looked for the first time. */
  templates(): readonly HostTemplate[] | undefined {
    if (this.#plan === undefined) return undefined
    const there = this.hulls.free(described(this.#present, this.#plan))
    const { wanted, percent } = this.#build ?? {}
    if (wanted === undefined || percent === undefined) return [...there, ...this.#waiting]
    return [...there, { shape: wanted.shape, state: 'building', progressPercent: percent }, ...this.#waiting]
  }

  /** Looks and acts, unless it does already. */
  look(): void {
    this.#effects.once('templates', async () => {
      try {
        await this.#effects.within('looking at templates', LOOK_MS, () => this.#turn())
      } catch (error) {
        if (!this.#effects.signal.aborted) this.#ports.events.trouble('templates', error)
      } finally {
        this.#looked.resolve()
      }
    })
  }

  async #turn(): Promise<void> {
    const { driver } = this.#ports
    this.#present = await driver.templates()
    const view = await this.#seen()
    const plan = templatePlan(view)
    this.#plan = plan
    this.#waiting = [...waiting(view, plan), ...this.#unable]
    // Before any is gone: nobody shall name a machine by a hull that goes with it.
    if (plan.remove.length > 0) this.#tellNews()
    for (const id of plan.remove) if (!this.#clones.isMade(id)) await this.#discard(id)
    if (plan.remove.length > 0) this.#present = await driver.templates()
    // What was reserved when it looked may be so no more.
    const next = plan.build
    if (next !== undefined && this.#build === undefined && isReserved(this.#wanted, next.shape))
      this.#start(next)
    this.#tellNews()
    // Before it is told what is wanted, nothing is begun or given up.
    if (this.#wanted !== undefined)
      this.hulls.tend({ ...view, ...plan, present: this.#present }, () => this.look())
  }

  async #discard(id: TemplateId): Promise<void> {
    const { driver, events } = this.#ports
    await this.#clones.without(id, () => driver.removeTemplate(id))
    events.templateRemoved(id)
  }

  /** Reports go out by themselves every few seconds; what a machine may be waiting for is said at once. */
  #tellNews(): void {
    const news = (this.templates() ?? []).map((one) =>
      'id' in one ? `${one.id} ${one.state} ${one.hulls}` : `${shapeKey(one.shape)} ${one.state}`,
    )
    if (news.join() === this.#told) return
    this.#told = news.join()
    this.#changed()
  }

  async #seen(): Promise<TemplateView> {
    const { clock, images } = this.#ports
    const keysNow = new Map<TemplateId, string>()
    for (const { id, shape } of this.#present) {
      const key = await this.#keyOf(shape)
      if (key !== undefined) keysNow.set(id, key)
    }
    return {
      wanted: await this.#keyed(),
      present: this.#present,
      keysNow,
      bad: new Set(this.#present.map(({ id }) => id).filter((id) => this.#clones.isBad(id))),
      building: this.#build?.wanted,
      failed: this.#failed,
      images: new Set<ImageDigest>((await images.list()).map(({ digest }) => digest)),
      nowMs: clock.wall(),
      limits: this.#options.limits,
    }
  }

  async #keyed(): Promise<readonly WantedKey[]> {
    const keyed: WantedKey[] = []
    const unable: HostTemplate[] = []
    for (const { shape, reservation } of this.#wanted ?? []) {
      const key = await this.#keyOf(shape)
      if (key === undefined) unable.push({ shape, state: 'waiting', reason: 'unable' })
      else keyed.push({ key, shape, reserved: reservation !== undefined })
    }
    this.#unable = unable
    return keyed
  }

  #keyOf(shape: TemplateShape): Promise<string | undefined> {
    return this.#ports.driver.templateKey(shape, this.#tools())
  }

  #start(wanted: WantedKey): void {
    const build: Build = { wanted, abort: new AbortController(), percent: 0 }
    this.#build = build
    void this.#effects.run(async () => {
      const { clock, events } = this.#ports
      const startMs = clock.now()
      try {
        const template = await this.#cast(build)
        this.#failed.delete(wanted.key)
        events.templateBuilt(template.id, shapeKey(wanted.shape), clock.now() - startMs)
      } catch (error) {
        if (this.#effects.signal.aborted) return
        this.#failedToBuild(build, error)
      } finally {
        this.#build = undefined
      }
      this.#changed()
      this.look()
    })
  }

  async #cast(build: Build): Promise<Template> {
    const { shape } = build.wanted
    const { manifest: image, disk } = await this.#ports.images.find(shape.image)
    const step = (name: string): void => {
      const percent = percentDone(name)
      if (percent <= build.percent) return
      build.percent = percent
      this.#ports.events.templateBuilding(image.name, shapeKey(shape), percent)
    }
    const signal = AbortSignal.any([this.#effects.signal, build.abort.signal])
    const { bootMs } = this.#options
    return cast(this.#ports, { shape, image, disk, bootMs, step, signal, ...this.#tools() })
  }

  /** One that made way has not failed. */
  #failedToBuild({ wanted, abort }: Build, error: unknown): void {
    const { clock, events } = this.#ports
    if (abort.signal.aborted) return
    const count = (this.#failed.get(wanted.key)?.count ?? 0) + 1
    this.#failed.set(wanted.key, { count, lastAtMs: clock.wall() })
    const failure = toFailure(error, 'host_setup', { object: 'a template' })
    events.templateFailed(shapeKey(wanted.shape), count, failure)
  }

  #stop({ wanted, abort }: Build): void {
    if (abort.signal.aborted) return
    abort.abort(new SlipwayError('cancelled', { what: 'building a template' }))
    this.#ports.events.templateMadeWay(shapeKey(wanted.shape))
  }

  #tools(): { readonly tools?: string } {
    const { tools } = this.#options
    return tools === undefined ? {} : { tools }
  }
}
