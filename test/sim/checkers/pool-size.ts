import { roomFor } from '../../../src/coordinator/index.ts'
import type { FlavorName, HostId, LeaseId, MachineId } from '../../../src/model/index.ts'
import { TEMPLATES_MIB } from '../agent-process.ts'
import type { MakeChecker, Scene, Wanted } from '../evidence.ts'

/** In the end, with no lease left, pools hold what the operator wants kept: no more, and no less where there is room. */
export const poolSize: MakeChecker = () => {
  const wanted = new Map<HostId, Wanted['machines']>()
  const live = new Set<LeaseId>()
  return {
    name: 'pool-size',
    see(evidence, scene) {
      if (evidence.kind === 'wanted') wanted.set(evidence.host, evidence.frame.machines)
      if (evidence.kind === 'committed') {
        for (const change of evidence.changes) {
          if (change.kind !== 'lease') continue
          if (change.record.lease.state === 'ended') live.delete(change.record.lease.id)
          else live.add(change.record.lease.id)
        }
      }
      if (evidence.kind !== 'audited') return undefined
      const [left] = live
      if (left !== undefined) return `lease ${left} is left in the end`
      const seen = new Set<MachineId>()
      const counts = new Map<FlavorName, number>()
      for (const { machine, spec } of [...wanted.values()].flat()) {
        if (seen.has(machine)) return `machine ${machine} is wanted twice`
        seen.add(machine)
        counts.set(spec.flavor, (counts.get(spec.flavor) ?? 0) + 1)
      }
      for (const { name, idle, limit } of scene.flavors) {
        const most = Math.min(limit, idle * scene.domains)
        const count = counts.get(name) ?? 0
        if (count > most) return `${count} idle machines of flavor ${name} are wanted, ${most} should be`
        if (count < most && hasPlenty(scene))
          return `${count} of ${most} idle machines of flavor ${name} are wanted`
      }
      return undefined
    },
  }
}

/** One host could have them all at once, and a template's build besides: wherever they are, they fit. */
function hasPlenty({ flavors, domains, hosts }: Scene): boolean {
  const largest = flavors.reduce((most, flavor) => Math.max(most, flavor.memoryMiB), 0)
  return hosts.every(({ size }) => {
    let { vcpus, memoryMiB, diskMiB } = size
    for (const flavor of flavors) {
      const room = roomFor(flavor)
      const count = Math.min(flavor.limit, flavor.idle * domains) + Number(flavor.memoryMiB === largest)
      vcpus -= count * room.vcpus
      memoryMiB -= count * room.memoryMiB
      diskMiB -= count * room.diskMiB
    }
    return Math.min(vcpus, memoryMiB, diskMiB - TEMPLATES_MIB) >= 0
  })
}
