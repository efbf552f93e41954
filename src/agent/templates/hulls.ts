/**
 * Hulls of the templates that serve and are wanted: so many in all, shared out among them, made one at a time when the
 * host has nothing better to do, so that a burst of jobs finds as many machines half made. Each has run for a moment and
 * forgotten who it was, as its template has, so that its emulator knows its way and the memory it will write is its own.
 * What they are launched as is the coordinator's to say; a hull whose template serves nobody goes.
 */
import {
  type HostTemplate,
  type MachineId,
  SlipwayError,
  type TemplateId,
  withoutHulls,
} from '../../model/index.ts'
import { endedWithin } from '../deadline.ts'
import type { Template } from '../drivers/driver.ts'
import type { Effects } from '../effects.ts'
import type { AgentPorts } from '../ports.ts'
import type { WantedKey } from './plan.ts'
import { forget } from './warm-up.ts'

const MAKE_MS = 60_000
const DROP_MS = 60_000
/** After one could not be made. */
const REST_MS = 60_000

export interface HullView {
  /** Most wanted first. */
  readonly wanted: readonly WantedKey[]
  readonly serve: ReadonlyMap<string, TemplateId>
  readonly present: readonly Template[]
  /** Of all templates together: each takes some 50 MiB, of an honest guest, of what the host keeps for itself. */
  readonly hulls: number
}

export interface HullPlan {
  readonly make: Template | undefined
  readonly drop: readonly MachineId[]
}

export function hullPlan({ wanted, serve, present, hulls: most }: HullView): HullPlan {
  const serving = wanted
    .flatMap(({ key }) => present.find(({ id }) => id === serve.get(key)) ?? [])
    // Without shared pages a hull would take all the memory of a machine, which nobody has reserved.
    .filter(({ mode }) => mode === 'shared-memory')
    .slice(0, most)
  const shares = shared(serving, most)
  const drop = present.flatMap(({ id, hulls }) => hulls.slice(shares.get(id) ?? 0))
  const lacking = serving.filter(({ id, hulls }) => hulls.length < (shares.get(id) ?? 0))
  return { make: lacking.toSorted((a, b) => a.hulls.length - b.hulls.length)[0], drop }
}

/** As even as can be; the odd ones stay with those that have most, so that a change of order moves nothing. */
function shared(templates: readonly Template[], most: number): ReadonlyMap<TemplateId, number> {
  const richest = templates.toSorted((a, b) => b.hulls.length - a.hulls.length)
  const odd = most % richest.length
  return new Map(richest.map(({ id }, n) => [id, Math.floor(most / richest.length) + (n < odd ? 1 : 0)]))
}

export interface HullsOptions {
  readonly tools?: string
  /** As in its view. */
  readonly hulls: number
  /** No machine is made now, nor was a moment ago. */
  readonly isQuiet: () => boolean
}

/** A host that its jobs fill has no room to spare, which is no trouble. */
const isFull = (error: unknown): boolean =>
  error instanceof SlipwayError && (error.code === 'memory_short' || error.code === 'disk_full')

/** Its template was removed while it was made, or just before. */
const isOver = (error: unknown): boolean =>
  error instanceof SlipwayError && (error.code === 'cancelled' || error.code === 'not_found')

export class Hulls {
  readonly #ports: AgentPorts
  readonly #options: HullsOptions
  readonly #effects: Effects
  /** Launched since the host was looked at. */
  readonly #taken = new Set<MachineId>()
  #restsUntilMs = 0

  constructor(ports: AgentPorts, options: HullsOptions, effects: Effects) {
    this.#ports = ports
    this.#options = options
    this.#effects = effects
  }

  /** A machine of this id is made. */
  take(machine: MachineId): void {
    this.#taken.add(machine)
  }

  free(templates: readonly HostTemplate[]): readonly HostTemplate[] {
    return withoutHulls(templates, this.#taken)
  }

  /** Drops what is of no use; begins to make what is missing, and says so when it is there. */
  tend(view: Omit<HullView, 'hulls'>, made: () => void): void {
    const offered = new Set(view.present.flatMap(({ hulls }) => hulls))
    for (const machine of this.#taken) if (!offered.has(machine)) this.#taken.delete(machine)
    this.#effects.once('hulls', async () => {
      const { clock, driver, events } = this.#ports
      const { make, drop } = hullPlan({ ...view, hulls: this.#options.hulls })
      try {
        for (const hull of drop)
          await this.#effects.within('dropping a hull', DROP_MS, () => driver.dropHull(hull))
        if (make === undefined || clock.now() < this.#restsUntilMs || !this.#options.isQuiet()) return
        const hull = await this.#make(make)
        events.hullMade(hull, make.id)
        made()
      } catch (error) {
        if (this.#effects.signal.aborted || isOver(error)) return
        this.#restsUntilMs = clock.now() + REST_MS
        if (!isFull(error)) events.trouble('hulls', error)
      }
    })
  }

  async #make(template: Template): Promise<MachineId> {
    const { clock, driver, images } = this.#ports
    const { tools } = this.#options
    const { manifest: image, disk } = await images.find(template.shape.image)
    const deadline = { clock, step: 'making a hull', deadlineMs: MAKE_MS, signal: this.#effects.signal }
    return endedWithin(deadline, (signal) =>
      driver.makeHull({
        ...{ template, image, disk, ...(tools !== undefined && { tools }) },
        rehearse: (machine) => forget(driver.guest(machine), { machine, image, signal }),
        signal,
      }),
    )
  }
}
