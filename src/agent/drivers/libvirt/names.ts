import { uplinkPrefix } from '../../../guest/index.ts'
import type { HostId } from '../../../model/index.ts'
import { sharedName } from '../resource-name.ts'

/**
 * Names of what exists before its machine does, or is shared: by slot, or by host. What belongs to a machine alone is
 * named by `resourceName`. All alphabets are closed: a name is ours, another host's, or nobody's.
 */

/** The network namespace of the private libvirtd and of every QEMU. */
export const daemonName = (host: HostId): string => sharedName(host, 'libvirtd')

/** The host's firewall table. */
export const ringName = (host: HostId): string => sharedName(host, 'ring')

export const slotName = (host: HostId, slot: number): string => sharedName(host, String(slot))

/** The slot that `name` was given to on this host, or undefined: not ours. */
export const parseSlotName = (host: HostId, name: string): number | undefined =>
  slotNumber(name, sharedName(host, ''))

/** The slot follows in decimal. */
export const uplinkName = (host: HostId, slot: number): string => `${uplinkPrefix(host)}${slot}`

export const parseUplinkName = (host: HostId, name: string): number | undefined =>
  slotNumber(name, uplinkPrefix(host))

/** In libvirtd's own namespace, where nobody else makes interfaces. */
export const tapName = (slot: number): string => `tap${slot}`

export const parseTapName = (name: string): number | undefined => slotNumber(name, 'tap')

function slotNumber(name: string, prefix: string): number | undefined {
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : ''
  return /^[1-9][0-9]{0,5}$/.test(rest) ? Number(rest) : undefined
}
