import type { FlavorName, Lease, LeaseId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** No flavor has more leases on machines at once than its limit. */
export const limits: MakeChecker = () => {
  const granted = new Map<LeaseId, FlavorName>()
  const note = (lease: Lease): void => {
    if (lease.state === 'granted') granted.set(lease.id, lease.flavor)
    else granted.delete(lease.id)
  }
  return {
    name: 'limits',
    see(evidence, scene) {
      if (evidence.kind !== 'committed') return undefined
      for (const change of evidence.changes) if (change.kind === 'lease') note(change.record.lease)
      for (const { name, limit } of scene.flavors) {
        const count = [...granted.values()].filter((flavor) => flavor === name).length
        if (count > limit) return `${count} leases hold machines of flavor ${name}, whose limit is ${limit}`
      }
      return undefined
    },
  }
}
