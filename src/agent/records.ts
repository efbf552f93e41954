/**
 * What a host remembers of its machines between two lives of the agent, one record each. `creating` is written before
 * the first resource is made and `ready` after the last check, so that a machine found without a `ready` record is
 * half made. Records lie where a reboot wipes them, as it does the machines.
 */
import type { Access, Failure, MachineId, MachineSpec, TimelineStep } from '../model/index.ts'

interface Common {
  readonly machine: MachineId
  readonly spec: MachineSpec
  readonly timeline: readonly TimelineStep[]
}

export type MachineRecord =
  | (Common & { readonly state: 'creating' })
  | (Common & { readonly state: 'ready'; readonly access: Access })
  /** Kept so that a guest that powered itself off is still the job's failure after a restart. */
  | (Common & { readonly state: 'lost'; readonly failure: Failure; readonly consoleTail: readonly string[] })

export interface Records {
  /** All records; one that cannot be read is left out, and thereby half made. */
  load(): Promise<readonly MachineRecord[]>
  /** Resolves once a killed process would find it whole. */
  put(record: MachineRecord): Promise<void>
  /** Fine if there is none. */
  remove(machine: MachineId): Promise<void>
  /** Machines that have a record, readable or not. */
  machines(): Promise<readonly MachineId[]>
}

/** Records that live as long as the object: for the simulation, where an agent's process dies and its host does not. */
export function memoryRecords(): Records {
  const records = new Map<MachineId, MachineRecord>()
  return {
    load: async () => [...records.values()],
    put: async (record) => void records.set(record.machine, record),
    remove: async (machine) => void records.delete(machine),
    machines: async () => [...records.keys()],
  }
}
