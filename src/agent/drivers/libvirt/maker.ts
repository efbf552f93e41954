import { ulid } from 'ulid'
import { type MachineId, parseId, SlipwayError, systemClock, type TemplateId } from '../../../model/index.ts'
import { BegunHulls } from '../begun-hulls.ts'
import type { Clone, CloneRequest, HullRequest, Template, TemplateRequest } from '../driver.ts'
import { mouldSpec } from '../mould-spec.ts'
import { parseResourceName } from '../resource-name.ts'
import { untilGone } from '../until-gone.ts'
import type { MachineWatch } from './events.ts'
import { type Hull, launch, makeHull, makeMachine } from './machine.ts'
import { Makings } from './makings.ts'
import { makeTemplate } from './mould.ts'
import type { Origin } from './origin.ts'
import { type Look, OwnMachines } from './own-machines.ts'
import { listResources, removeResource } from './resources.ts'
import type { Workshop } from './workshop.ts'

/** Makes machines and takes them apart: those that were asked for, those that are to be frozen, and hulls in stock. */
export class Maker {
  readonly #watch: MachineWatch
  readonly #makings = new Makings()
  readonly #own = new OwnMachines()
  readonly #begunHulls = new BegunHulls()
  readonly #hulls = new Map<MachineId, Hull & { readonly template: TemplateId }>()
  /** Hulls that are taken apart: a machine of that id is begun when nothing of them is left. */
  readonly #going = new Map<MachineId, Promise<unknown>>()

  constructor(watch: MachineWatch) {
    this.#watch = watch
  }

  /** What is found, and which machines were the driver's own while it was looked for. */
  look<T>(find: () => Promise<T>): Promise<Look<T>> {
    return this.#own.look(find)
  }

  async templates(shop: Workshop): Promise<readonly Template[]> {
    const isOwn = (name: string): boolean => {
      const machine = parseResourceName(shop.settings.host, name)
      return machine !== undefined && this.#own.has(machine)
    }
    const templates = await shop.templates.list(isOwn)
    return templates.map((template) => ({ ...template, hulls: this.#hullsOf(template.id) }))
  }

  async removeTemplate(shop: Workshop, template: TemplateId): Promise<void> {
    await this.#begunHulls.without(template, async () => {
      for (const hull of this.#hullsOf(template)) await this.dropHull(shop, hull)
      await Promise.all(this.#going.values())
      await shop.templates.remove(template)
    })
  }

  async make(shop: Workshop, request: CloneRequest): Promise<Clone> {
    const { machine, signal } = request
    return this.#makings.track(machine, signal, async (inner) => {
      await this.#going.get(machine)
      const asked = { ...request, signal: inner }
      const clone = (await this.#launch(shop, asked)) ?? (await this.#begin(shop, asked))
      this.#watch.expect(machine)
      return clone
    })
  }

  async mould(shop: Workshop, request: TemplateRequest): Promise<Template> {
    const machine = this.#ownMachine()
    try {
      return await this.#makings.track(machine, request.signal, (signal) =>
        makeTemplate(shop, { ...request, machine, wallMs: systemClock.wall(), signal }),
      )
    } finally {
      await untilGone({ clock: systemClock, destroy: () => this.#raze(shop, machine) })
      this.#own.delete(machine)
    }
  }

  async hull(shop: Workshop, asked: HullRequest): Promise<MachineId> {
    const { id } = asked.template
    const machine = this.#ownMachine()
    try {
      await this.#begunHulls.track(id, asked.signal, (outer) =>
        this.#makings.track(machine, outer, (signal) =>
          this.#orNothing(shop, machine, async () => {
            const hull = await this.#makeHull(shop, machine, { ...asked, signal })
            signal.throwIfAborted()
            this.#hulls.set(machine, { ...hull, template: id })
          }),
        ),
      )
      return machine
    } catch (error) {
      this.#own.delete(machine)
      throw error
    }
  }

  /** Whatever there is of it. */
  async destroy(shop: Workshop, machine: MachineId): Promise<void> {
    await this.#makings.end(machine)
    await (this.#hulls.has(machine) ? this.dropHull(shop, machine) : this.#raze(shop, machine))
  }

  /** Nothing happens if it is no hull any more: a machine may have been launched from it. */
  async dropHull(shop: Workshop, hull: MachineId): Promise<void> {
    if (!this.#hulls.delete(hull)) return
    const gone = this.#raze(shop, hull)
    this.#going.set(
      hull,
      gone.catch(() => {}),
    )
    try {
      await gone
    } finally {
      this.#going.delete(hull)
      // What could not be taken apart is found by its name.
      this.#own.delete(hull)
    }
  }

  /** Waits for what others have asked for; what is the driver's own ends. */
  async end(shop: Workshop): Promise<void> {
    for (const machine of this.#own.all()) await this.#makings.end(machine)
    await this.#makings.allEnded()
    // What cannot be taken apart is found by its name.
    for (const hull of this.#hulls.keys()) await this.dropHull(shop, hull).catch(() => {})
  }

  #hullsOf(template: TemplateId): readonly MachineId[] {
    return [...this.#hulls].flatMap(([machine, hull]) => (hull.template === template ? [machine] : []))
  }

  #makeHull(shop: Workshop, machine: MachineId, asked: HullRequest): Promise<Hull> {
    const { template, rehearse, ...source } = asked
    const request = { ...source, machine, spec: mouldSpec(template.shape), step: () => {} }
    const bounded = (): Promise<void> => orAborted(asked.signal, rehearse(machine))
    return shop.templates.holding(template.id, (stored) =>
      makeHull(shop, request, { template: stored, rehearse: bounded }),
    )
  }

  /** Undefined: there is no hull of that id, or none that was of any use, and now there is none. */
  async #launch(shop: Workshop, request: CloneRequest): Promise<Clone | undefined> {
    const { machine, template, signal } = request
    const hull = this.#hulls.get(machine)
    if (hull === undefined) return undefined
    this.#hulls.delete(machine)
    this.#own.launch(machine)
    try {
      if (hull.template === template) return await launch(shop, request, hull)
    } catch (error) {
      if (signal.aborted) {
        await this.#raze(shop, machine)
        throw error
      }
    }
    await this.#raze(shop, machine)
    return undefined
  }

  async #begin(shop: Workshop, request: CloneRequest): Promise<Clone> {
    const { machine, template } = request
    // The first thing a machine has and the last it loses.
    if ((await shop.ledger.slotOf(machine)) !== undefined)
      throw new SlipwayError('conflict', { kind: 'machine', name: machine, detail: 'its slot is taken' })
    const make = (origin: Origin): Promise<Clone> => makeMachine(shop, request, origin)
    return this.#orNothing(shop, machine, () =>
      template === undefined
        ? make({ kind: 'image' })
        : shop.templates.holding(template, (stored) => make({ kind: 'template', template: stored })),
    )
  }

  async #orNothing<T>(shop: Workshop, machine: MachineId, make: () => Promise<T>): Promise<T> {
    try {
      return await make()
    } catch (error) {
      await this.#raze(shop, machine)
      throw error
    }
  }

  /** In the order of the list: nothing is taken away from under a living QEMU. */
  async #raze(shop: Workshop, machine: MachineId): Promise<void> {
    this.#watch.forget(machine)
    shop.kits.close(machine)
    await shop.hypervisor.recovered()
    for (const resource of await listResources(shop, machine)) await removeResource(shop, resource)
    shop.stock.refill()
  }

  #ownMachine(): MachineId {
    const machine = parseId('MachineId', `m-${ulid().toLowerCase()}`)
    this.#own.add(machine)
    return machine
  }
}

/** `task`'s result, or the signal's reason: what hangs in a guest must not outlive the wish for it. */
function orAborted<T>(signal: AbortSignal, task: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const onAbort = (): void => reject(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  void task.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  return promise
}
