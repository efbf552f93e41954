import { resourceName } from '../../../src/agent/drivers/resource-name.ts'
import type { HostId, MachineId, MachineSpec, TemplateId } from '../../../src/model/index.ts'
import { shapeKey, shapeOf } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** While a template is said to be ready, old or not, machines of its shape are cloned from it, and never boot. */
export const templateServes: MakeChecker = () => {
  /** Since when each host says it of a template. */
  const readySinceMs = new Map<HostId, Map<TemplateId, number>>()
  const specs = new Map<MachineId, MachineSpec>()
  return {
    name: 'template-serves',
    see(evidence, scene) {
      if (evidence.kind === 'wanted') {
        for (const { machine, spec } of evidence.frame.machines) specs.set(machine, spec)
      }
      if (evidence.kind === 'upgraded') readySinceMs.delete(evidence.host)
      if (evidence.kind === 'reported') {
        // A new agent has not said it yet.
        if (evidence.frame.type === 'hello') readySinceMs.delete(evidence.host)
        const { templates } = evidence.frame.facts ?? {}
        if (!templates) return undefined
        const known = readySinceMs.get(evidence.host)
        const ready = templates.flatMap((one) => (one.state === 'ready' ? [one.id] : []))
        const since = (id: TemplateId): number => known?.get(id) ?? scene.now()
        readySinceMs.set(evidence.host, new Map(ready.map((id) => [id, since(id)])))
      }
      if (evidence.kind !== 'started') return undefined
      const spec = specs.get(evidence.machine)
      const host = scene.hosts.find(({ id }) => id === evidence.host)
      if (!spec || !host) return undefined
      const name = resourceName(host.id, evidence.machine)
      const things = host.things()
      const overlay = things.find((thing) => thing.kind === 'overlay' && thing.name === name)
      if (overlay?.kind !== 'overlay' || overlay.template !== undefined) return undefined
      const shape = shapeKey(shapeOf(spec))
      for (const thing of things) {
        if (thing.kind !== 'template' || shapeKey(thing.template.shape) !== shape) continue
        const sinceMs = readySinceMs.get(host.id)?.get(thing.template.id)
        if (sinceMs === undefined || scene.now() - sinceMs < SETTLED_MS) continue
        return `${evidence.machine} boots on ${host.id}, though ${thing.template.id} of its shape is ready`
      }
      return undefined
    },
  }
}

/** What was said a moment ago may be so no more: three clones failed. */
const SETTLED_MS = 10_000
