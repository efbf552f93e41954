import { BlockList, isIPv4 } from 'node:net'
import type { networkInterfaces } from 'node:os'
import { uplinkPrefix } from '../../../guest/index.ts'
import type { HostId } from '../../../model/index.ts'

export interface Place {
  readonly address: string
  /** Of the machine. */
  readonly host: HostId
}

/**
 * True where nobody can stand between us and the machine: at an address of our own, or at the other end of an uplink
 * that the agent of its very host made in our network namespace. An address alone would not do: two hosts may give
 * their machines the same ones, and a small network of ours may be a link to another host.
 */
export function isOnThisHost(
  { address, host }: Place,
  interfaces: ReturnType<typeof networkInterfaces>,
): boolean {
  if (isLoopback(address)) return true
  return Object.entries(interfaces).some(([name, own = []]) =>
    own.some(
      (end) =>
        end.address === address || (name.startsWith(uplinkPrefix(host)) && contains(end.cidr, address)),
    ),
  )
}

const isLoopback = (address: string): boolean => address === '::1' || contains('127.0.0.0/8', address)

function contains(cidr: string | null, address: string): boolean {
  const [network = '', bits = ''] = cidr?.split('/') ?? []
  if (!isIPv4(network) || !isIPv4(address)) return false
  const list = new BlockList()
  list.addSubnet(network, Number(bits))
  return list.check(address)
}
