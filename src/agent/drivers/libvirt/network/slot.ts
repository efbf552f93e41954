import { isIPv4 } from 'node:net'
import { type HostId, SlipwayError } from '../../../../model/index.ts'
import { slotName, tapName, uplinkName } from '../names.ts'

/**
 * Room for one machine on this host: a number, and everything that is derived from it, so that two machines can never
 * meet in one of them.
 */
export interface Slot {
  readonly number: number
  /** Whom its QEMU runs as, user and group. */
  readonly uid: number
  /** Network namespace, and the interface that leads to it in the agent's own. */
  readonly namespace: string
  readonly uplink: string
  /** The tap as libvirtd makes it, before it is moved. */
  readonly tap: string
  /** The two ends of the uplink: the agent's, and the one where the guest's SSH server is reached. */
  readonly hostAddress: string
  readonly address: string
}

export interface SlotSettings {
  readonly host: HostId
  readonly uplink: string
  readonly uidBase: number
  readonly uidCount: number
}

/** Addresses per slot: network, host, namespace, broadcast. */
const STRIDE = 4
/** The interface name ends in the slot's number and has 15 characters in all. */
const SLOT_MAX = 99_999

/** The first slot; number 0 stands for no machine: its uid is the one libvirt uses when it asks QEMU about itself. */
export const SLOT_MIN = 1

/** The last slot the uid range and the uplink network both have room for. */
export function slotMax(settings: SlotSettings): number {
  return Math.min(settings.uidCount - 1, network(settings.uplink).size / STRIDE - 1, SLOT_MAX)
}

export function slotOf(settings: SlotSettings, number: number): Slot {
  const first = network(settings.uplink).first + number * STRIDE
  return {
    number,
    uid: settings.uidBase + number,
    namespace: slotName(settings.host, number),
    uplink: uplinkName(settings.host, number),
    tap: tapName(number),
    hostAddress: dotted(first + 1),
    address: dotted(first + 2),
  }
}

/** Throws `bad_config` for what is not an IPv4 network with an even start. */
function network(cidr: string): { readonly first: number; readonly size: number } {
  const [address = '', length = ''] = cidr.split('/')
  const bits = Number(length)
  const first = isIPv4(address)
    ? address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0)
    : Number.NaN
  const size = 2 ** (32 - bits)
  if (!/^\d{1,2}$/.test(length) || bits < 8 || bits > 29 || !Number.isInteger(first / size))
    throw new SlipwayError('bad_config', {
      file: 'agent.toml',
      detail: `network.uplink "${cidr}" is not an IPv4 network like 100.64.0.0/16`,
    })
  return { first, size }
}

const dotted = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
