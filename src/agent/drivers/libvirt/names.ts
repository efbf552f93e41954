import { createHash } from 'node:crypto'
import { type HostId, isId, type MachineId } from '../../../model/index.ts'

/**
 * Every resource of a machine is named `slw.<host>.<machine>`; what exists before its machine does is named by its
 * slot, `slw.<host>.<slot>`. Both alphabets are closed and disjoint, so a name is ours, another host's, or nobody's.
 */
const OWNER = 'slw'

export const hostName = (host: HostId): string => `${OWNER}.${host}`

export const machineName = (host: HostId, machine: MachineId): string => `${OWNER}.${host}.${machine}`

export const slotName = (host: HostId, slot: number): string => `${OWNER}.${host}.${slot}`

/** The machine that `name` was given to on this host, or undefined: not ours. */
export function parseMachineName(host: HostId, name: string): MachineId | undefined {
  const id = withoutPrefix(name, `${hostName(host)}.`)
  return id !== undefined && isId('MachineId', id) ? id : undefined
}

/** The slot that `name` was given to on this host, or undefined: not ours. */
export const parseSlotName = (host: HostId, name: string): number | undefined =>
  slotNumber(withoutPrefix(name, `${hostName(host)}.`))

/** Interface names have 15 characters: the host is a digest in them, the slot follows in decimal. */
export const uplinkPrefix = (host: HostId): string =>
  `sw${createHash('sha256').update(host).digest('hex').slice(0, 6)}.`

export const uplinkName = (host: HostId, slot: number): string => `${uplinkPrefix(host)}${slot}`

export const parseUplinkName = (host: HostId, name: string): number | undefined =>
  slotNumber(withoutPrefix(name, uplinkPrefix(host)))

function withoutPrefix(name: string, prefix: string): string | undefined {
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined
}

function slotNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9][0-9]{0,5}$/.test(text) ? Number(text) : undefined
}
