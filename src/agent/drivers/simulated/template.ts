/** Templates of a simulated host: things with a name, made from a machine that ends as one. */
import { createHash } from 'node:crypto'
import {
  type MachineId,
  parseId,
  SlipwayError,
  shapeKey,
  type TemplateId,
  type TemplateShape,
} from '../../../model/index.ts'
import type { Driver, Template, TemplateRequest } from '../driver.ts'
import { mouldSpec } from '../mould-spec.ts'
import { resourceName } from '../resource-name.ts'
import { untilGone } from '../until-gone.ts'
import { clone, type Destroy } from './clone.ts'
import type { Act } from './effects.ts'
import type { VirtualHost, VirtualThing } from './host.ts'
import type { Stock } from './hull.ts'
import type { SimulatedOptions } from './options.ts'

interface Moulding extends Stock {
  readonly destroy: Destroy
}

type TemplateVerbs = Pick<
  Driver,
  'templateKey' | 'templates' | 'buildTemplate' | 'markStale' | 'removeTemplate'
>

export function templatesOf(
  options: SimulatedOptions,
  act: Act,
  { own, begun, hulls, destroy }: Moulding,
): TemplateVerbs {
  const { host } = options

  const build = async (request: TemplateRequest, machine: MachineId): Promise<Template> => {
    const { shape, image, disk, step, signal } = request
    const mode = modeOf(host, shape)
    const key = keyOf(host, shape, request.tools)
    if (mode === undefined || key === undefined)
      throw new SlipwayError('host_setup', { object: 'a template', detail: 'this host only boots machines' })
    const spec = mouldSpec(shape)
    const made = await clone(options, act, { machine, spec, image, disk, step: () => {}, signal }, destroy)
    step('started')
    await request.warm(made)
    step('warmed')
    await act('freeze', machine, () => {}, signal)
    step('frozen')
    await destroy(machine)
    step('stopped')
    step('scanned')
    const id = parseId('TemplateId', machine.replace('m-', 't-'))
    const builtAtMs = options.clock.wall()
    const template = { id, key, shape, mode, builtAtMs, diskMiB: shape.memoryMiB, stale: false }
    await act('freeze', machine, () => host.put({ kind: 'template', name: id, template }), signal)
    step('published')
    return { ...template, clones: 0, hulls: [] }
  }

  return {
    templateKey: async (shape, { tools }) => keyOf(host, shape, tools),
    templates: () =>
      act('list', undefined, () => {
        // One whose template was taken away behind our back is nobody's any more.
        for (const [hull, template] of hulls) {
          if (host.get('template', template) !== undefined) continue
          hulls.delete(hull)
          own.delete(hull)
        }
        return templatesIn(host, { own, hulls })
      }),
    async buildTemplate(request) {
      request.signal.throwIfAborted()
      const machine = host.ownMachine()
      own.add(machine)
      try {
        return await build(request, machine)
      } finally {
        await untilGone({ clock: options.clock, destroy: () => destroy(machine) })
        own.delete(machine)
      }
    },
    markStale: (id) => act('mark', undefined, () => markStale(host, id)),
    removeTemplate: (id) =>
      begun.without(id, async () => {
        for (const [hull, template] of hulls) if (template === id) await destroy(hull)
        await act('remove', undefined, () => removeUnused(host, id, own))
      }),
  }
}

const modeOf = ({ cloning }: VirtualHost, { sharing }: TemplateShape): Template['mode'] | undefined => {
  if (cloning === 'cold') return undefined
  return sharing === 'none' ? 'mapped-ram' : cloning
}

function keyOf(host: VirtualHost, shape: TemplateShape, tools: string | undefined): string | undefined {
  const mode = modeOf(host, shape)
  if (mode === undefined) return undefined
  const said = [host.version, mode, tools ?? '', shapeKey(shape)].join(' ')
  return createHash('sha256').update(said).digest('hex')
}

function templatesIn(host: VirtualHost, { own, hulls }: Pick<Stock, 'own' | 'hulls'>): readonly Template[] {
  return host.things().flatMap((thing) => {
    if (thing.kind !== 'template') return []
    const { template } = thing
    const inStock = [...hulls].flatMap(([machine, of]) => (of === template.id ? [machine] : []))
    return [{ ...template, clones: clonesOf(host, template.id, own), hulls: inStock }]
  })
}

function clonesOf(host: VirtualHost, id: TemplateId, own: Stock['own']): number {
  const names = new Set([...own].map((machine) => resourceName(host.id, machine)))
  const isClone = (one: VirtualThing): boolean =>
    one.kind === 'overlay' && one.template === id && !names.has(one.name)
  return host.things().filter(isClone).length
}

function markStale(host: VirtualHost, id: TemplateId): void {
  const thing = host.get('template', id)
  if (thing === undefined) throw new SlipwayError('not_found', { kind: 'template', name: id })
  host.put({ ...thing, template: { ...thing.template, stale: true } })
}

function removeUnused(host: VirtualHost, id: TemplateId, own: Stock['own']): void {
  const clones = clonesOf(host, id, own)
  if (clones > 0)
    throw new SlipwayError('conflict', {
      kind: 'template',
      name: id,
      detail: `${clones} machines live on it`,
    })
  host.drop('template', id)
}
