/**
 * Ownership is in the name: `slw.<host>.<machine id>` names everything of a machine on its host, `slw.<host>.<word>`
 * what is shared or kept in stock. All else, another host's instance on the same box included, is not ours.
 */
import { type HostId, isId, type MachineId } from '../../model/index.ts'

/** What every resource of `machine` on `host` is called. */
export const resourceName = (host: HostId, machine: MachineId): string => `${prefix(host)}${machine}`

/** A thing of `host` that belongs to no machine, e.g. `uplink` or `spare-3`. */
export const sharedName = (host: HostId, word: string): string => `${prefix(host)}${word}`

/** Whose `name` is; undefined: not a machine's of `host`, hands off. */
export function parseResourceName(host: HostId, name: string): MachineId | undefined {
  if (!name.startsWith(prefix(host))) return undefined
  const rest = name.slice(prefix(host).length)
  return isId('MachineId', rest) ? rest : undefined
}

const prefix = (host: HostId): string => `slw.${host}.`
