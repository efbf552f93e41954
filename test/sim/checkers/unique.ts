import type { MachineId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** No two machines that were ever granted, on whatever hosts, have shown the same host key. */
export const unique: MakeChecker = () => {
  const keys = new Map<MachineId, string>()
  const granted = new Map<string, MachineId>()
  return {
    name: 'unique',
    see(evidence) {
      if (evidence.kind === 'reported') {
        for (const report of evidence.frame.machines) {
          if (report.state === 'ready') keys.set(report.machine, report.access.hostKey)
        }
      }
      if (evidence.kind !== 'committed') return undefined
      for (const change of evidence.changes) {
        if (change.kind !== 'lease' || change.record.lease.state !== 'granted') continue
        const { machine } = change.record.lease
        const key = keys.get(machine) ?? ''
        const other = granted.get(key) ?? machine
        granted.set(key, machine)
        if (other !== machine) return `${machine} was granted with the host key of ${other}`
      }
      return undefined
    },
  }
}
