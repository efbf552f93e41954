/** Everything of ours on a host against what should be there. Pure: `slipway audit` fails on any line of it. */
import type { Finding } from '../api/index.ts'
import type { MachineId } from '../model/index.ts'
import type { Resource } from './drivers/driver.ts'

export interface AuditView {
  readonly listed: readonly Resource[]
  /** Machines that have a record. */
  readonly records: readonly MachineId[]
  readonly wanted: ReadonlySet<MachineId>
  /** Machines being made: what is not there yet is not missing. */
  readonly making: ReadonlySet<MachineId>
  /** Machines being removed, in time: what is still there is no leak yet. */
  readonly removing: ReadonlySet<MachineId>
  /** Dead machines: their absence was reported, and is the coordinator's to act on. */
  readonly dead: ReadonlySet<MachineId>
  /** What the driver keeps in stock is no leak while an agent lives. */
  readonly agentLives: boolean
}

/** Each difference, in the order of the host's list. */
export function audit(view: AuditView): Finding[] {
  const { listed, records, wanted, making, removing, dead } = view
  const unwanted = (machine: MachineId): boolean => !wanted.has(machine) && !removing.has(machine)
  const findings: Finding[] = []
  for (const { kind, name, machine, kept } of listed) {
    const stray = machine === undefined ? !(kept && view.agentLives) : unwanted(machine)
    if (stray) findings.push({ kind, name, problem: 'unwanted', ...(machine ? { machine } : {}) })
  }
  for (const machine of records) {
    if (unwanted(machine)) findings.push({ kind: 'record', name: machine, problem: 'unwanted', machine })
  }
  const there = new Set(listed.map(({ machine }) => machine))
  for (const machine of wanted) {
    if (there.has(machine) || making.has(machine) || dead.has(machine)) continue
    findings.push({ kind: 'machine', name: machine, problem: 'missing', machine })
  }
  return findings
}
