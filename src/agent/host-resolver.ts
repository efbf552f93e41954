/** The DNS server that this host asks, for machines that are told none. */
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'

/** systemd-resolved's own file names the servers behind its stub, which only the host itself can reach. */
const FILES = ['/run/systemd/resolve/resolv.conf', '/etc/resolv.conf'] as const

/** The first IPv4 server that is not the host's loopback; undefined if there is none. */
export async function hostResolver(): Promise<string | undefined> {
  for (const file of FILES) {
    const server = firstServer(await readFile(file, 'utf8').catch(() => ''))
    if (server !== undefined) return server
  }
  return undefined
}

/** Of a resolv.conf(5). */
export const firstServer = (text: string): string | undefined =>
  [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map(([, address = '']) => address)
    .find((address) => isIPv4(address) && !address.startsWith('127.'))
