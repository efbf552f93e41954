/** Queries on machines that have been granted: none of them may ever serve again. */
import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { hostId, machineId, machineSpec } from '../../api/server.ts'
import type { HostId, MachineId, MachineSpec } from '../../model/index.ts'
import { statement } from './statement.ts'

export interface Served {
  readonly machine: MachineId
  readonly host: HostId
  readonly spec: MachineSpec
}

const row = z.strictObject({
  machine: machineId,
  host: hostId,
  spec: z
    .string()
    .transform((text) => JSON.parse(text) as unknown)
    .pipe(machineSpec),
})

export function selectServed(db: DatabaseSync): Served[] {
  return statement(db, 'SELECT machine, host, spec FROM served')
    .all()
    .map((raw) => row.parse(raw))
}

export function insertServed(db: DatabaseSync, { machine, host, spec }: Served): void {
  statement(db, 'INSERT INTO served (machine, host, spec) VALUES (?, ?, ?) ON CONFLICT DO NOTHING').run(
    machine,
    host,
    JSON.stringify(spec),
  )
}

export function deleteServed(db: DatabaseSync, machine: MachineId): void {
  statement(db, 'DELETE FROM served WHERE machine = ?').run(machine)
}
