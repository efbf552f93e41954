/** Hulls of a simulated host: machines that lack only their start, known to one driver's life. */
import type { MachineId, TemplateId } from '../../../model/index.ts'
import type { Clone, CloneRequest, Driver, HullRequest } from '../driver.ts'
import { mouldSpec } from '../mould-spec.ts'
import { assemble, clone, type Destroy, start } from './clone.ts'
import type { Act } from './effects.ts'
import type { SimulatedOptions } from './options.ts'

export interface Stock {
  /** Machines that nobody else knows of: what is to be frozen, and hulls. */
  readonly own: Set<MachineId>
  readonly hulls: Map<MachineId, TemplateId>
}

export function hullsOf(
  options: SimulatedOptions,
  act: Act,
  { own, hulls, destroy }: Stock & { readonly destroy: Destroy },
): Pick<Driver, 'makeHull' | 'clone'> {
  const launch = async (request: CloneRequest): Promise<Clone | undefined> => {
    const { machine, template, signal, step } = request
    const of = hulls.get(machine)
    if (of === undefined) return undefined
    hulls.delete(machine)
    own.delete(machine)
    step('hull')
    try {
      if (of === template) return await start(options, act, request)
    } catch (error) {
      if (signal.aborted) {
        await destroy(machine)
        throw error
      }
    }
    await destroy(machine)
    return undefined
  }

  return {
    async makeHull({ template, signal, ...source }: HullRequest) {
      signal.throwIfAborted()
      const machine = options.host.ownMachine()
      const spec = mouldSpec(template.shape)
      own.add(machine)
      try {
        await assemble(options, act, {
          ...source,
          machine,
          spec,
          template: template.id,
          step: () => {},
          signal,
        })
        hulls.set(machine, template.id)
        return machine
      } catch (error) {
        await destroy(machine)
        throw error
      }
    },
    clone: async (request) => (await launch(request)) ?? (await clone(options, act, request, destroy)),
  }
}
