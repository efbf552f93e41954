/** Hulls of a simulated host: machines that lack only their start, known to one driver's life. */
import type { MachineId, TemplateId } from '../../../model/index.ts'
import type { BegunHulls } from '../begun-hulls.ts'
import type { Clone, CloneRequest, Driver, HullRequest } from '../driver.ts'
import { mouldSpec } from '../mould-spec.ts'
import { resourceName } from '../resource-name.ts'
import { assemble, clone, type Destroy, guestOf, makeOverlay, overlayOf, start } from './clone.ts'
import type { Act } from './effects.ts'
import type { SimulatedOptions } from './options.ts'

export interface Stock {
  /** Machines that nobody else knows of: what is to be frozen, and hulls. */
  readonly own: Set<MachineId>
  readonly begun: BegunHulls
  readonly hulls: Map<MachineId, TemplateId>
}

interface Hulls extends Stock {
  /** Hulls that are taken apart: a machine of that id is begun when nothing of them is left. */
  readonly going: ReadonlyMap<MachineId, Promise<void>>
  readonly destroy: Destroy
}

export function hullsOf(
  options: SimulatedOptions,
  act: Act,
  { own, begun, hulls, going, destroy }: Hulls,
): Pick<Driver, 'makeHull' | 'dropHull' | 'clone'> {
  const launch = async (request: CloneRequest): Promise<Clone | undefined> => {
    const { machine, template, signal, step } = request
    const of = hulls.get(machine)
    if (of === undefined) return undefined
    hulls.delete(machine)
    own.delete(machine)
    step('hull')
    try {
      if (of === template) {
        await act(
          'overlay',
          machine,
          () => makeOverlay(options.host, overlayOf(options.host, request)),
          signal,
        )
        // What a guest is like shows once it runs.
        const domain = options.host.get('domain', resourceName(options.host.id, machine))
        if (domain !== undefined) options.host.put({ ...domain, guest: guestOf(options, request) })
        return await start(options, act, request)
      }
    } catch (error) {
      if (signal.aborted) {
        await destroy(machine)
        throw error
      }
    }
    await destroy(machine)
    return undefined
  }

  const make = async ({ template, signal, rehearse: _, ...source }: HullRequest): Promise<MachineId> => {
    const machine = options.host.ownMachine()
    const spec = mouldSpec(template.shape)
    own.add(machine)
    try {
      const request = { ...source, machine, template: template.id, step: () => {}, signal }
      // Nothing has been written to its disk.
      await assemble(options, act, { ...request, spec: { ...spec, diskGiB: 0 } })
      signal.throwIfAborted()
      hulls.set(machine, template.id)
      return machine
    } catch (error) {
      // What cannot be destroyed is found by its name.
      await destroy(machine).finally(() => own.delete(machine))
      throw error
    }
  }

  return {
    async makeHull(asked: HullRequest) {
      asked.signal.throwIfAborted()
      return begun.track(asked.template.id, asked.signal, (signal) => make({ ...asked, signal }))
    },
    async dropHull(hull) {
      if (hulls.has(hull)) await destroy(hull)
    },
    async clone(request) {
      await going.get(request.machine)
      return (await launch(request)) ?? (await clone(options, act, request, destroy))
    },
  }
}
