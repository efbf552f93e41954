import type { LeaseId, MachineId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** No machine serves two leases, ever; no lease has two machines. */
export const oneLease: MakeChecker = () => {
  const leaseOf = new Map<MachineId, LeaseId>()
  const machineOf = new Map<LeaseId, MachineId>()
  const pair = (lease: LeaseId, machine: MachineId): string | undefined => {
    const other = leaseOf.get(machine)
    if (other !== undefined && other !== lease) return `machine ${machine} under lease ${other} and ${lease}`
    const earlier = machineOf.get(lease)
    if (earlier !== undefined && earlier !== machine) return `lease ${lease} moved ${earlier} → ${machine}`
    leaseOf.set(machine, lease)
    machineOf.set(lease, machine)
    return undefined
  }
  return {
    name: 'one-lease',
    see(evidence) {
      if (evidence.kind === 'shown') return pair(evidence.lease, evidence.machine)
      if (evidence.kind !== 'committed') return undefined
      for (const change of evidence.changes) {
        if (change.kind !== 'lease' || change.record.lease.state !== 'granted') continue
        const broken = pair(change.record.lease.id, change.record.lease.machine)
        if (broken) return broken
      }
      return undefined
    },
  }
}
