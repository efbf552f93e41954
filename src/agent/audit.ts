/** Everything of ours on a host against what should be there. Pure: `slipway audit` fails on any line of it. */
import type { Finding } from '../api/index.ts'
import type { MachineId } from '../model/index.ts'
import type { Resource } from './drivers/driver.ts'

export interface AuditView {
  /** Resources of the host, records among them; what a driver keeps in stock is no leak. */
  readonly listed: readonly Resource[]
  readonly wanted: ReadonlySet<MachineId>
  /** Being made, or dead and reported so: what of them is not there is not missing. */
  readonly excused: ReadonlySet<MachineId>
  /** Unwanted and being removed, in time: what of them is still there is no leak yet. */
  readonly removing: ReadonlySet<MachineId>
}

/** What is found where nothing is wanted. What a driver keeps in stock, it has made for this very look. */
export function leaks(listed: readonly Resource[]): Finding[] {
  const none = new Set<never>()
  return audit({ listed, wanted: none, excused: none, removing: none })
}

/** Each difference, in the order of the host's list. */
export function audit({ listed, wanted, excused, removing }: AuditView): Finding[] {
  const findings: Finding[] = []
  for (const { kind, name, machine, kept } of listed) {
    const fine = machine === undefined ? kept : wanted.has(machine) || removing.has(machine)
    if (!fine) findings.push({ kind, name, problem: 'unwanted', ...(machine ? { machine } : {}) })
  }
  const there = new Set(listed.map(({ machine }) => machine))
  for (const machine of wanted) {
    if (there.has(machine) || excused.has(machine)) continue
    findings.push({ kind: 'machine', name: machine, problem: 'missing', machine })
  }
  return findings
}
