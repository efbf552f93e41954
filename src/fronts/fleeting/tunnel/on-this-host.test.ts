import type { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { uplinkPrefix } from '../../../guest/index.ts'
import { parseId } from '../../../model/index.ts'
import { isOnThisHost } from './on-this-host.ts'

const here = parseId('HostId', 'here')
const there = parseId('HostId', 'there')
const end = (cidr: string) => ({
  address: cidr.split('/')[0] ?? '',
  netmask: '',
  mac: '',
  internal: false,
  family: 'IPv4' as const,
  cidr,
})
const interfaces: ReturnType<typeof networkInterfaces> = {
  lo: [end('127.0.0.1/8')],
  eth0: [end('192.168.7.2/24')],
  wg0: [end('10.9.0.1/30')],
  [`${uplinkPrefix(here)}5`]: [end('100.64.0.21/30')],
}

test.each([
  ['127.0.0.1', here, true],
  ['127.9.9.9', here, true],
  ['::1', here, true],
  ['192.168.7.2', there, true],
  ['100.64.0.22', here, true],
  ['100.64.0.21', there, true],
  // The same address at another host, and the same host at an address that no uplink leads to.
  ['100.64.0.22', there, false],
  ['100.64.0.26', here, false],
  ['192.168.7.3', here, false],
  ['10.9.0.2', here, false],
  ['100.64.0.220', here, false],
  ['example.com', here, false],
  ['', here, false],
])('a machine at %j of host %s is on this host: %j', (address, host, is) => {
  expect(isOnThisHost({ address, host }, interfaces)).toBe(is)
})
