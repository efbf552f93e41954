import { isIPv4 } from 'node:net'
import { SlipwayError } from '../../../../model/index.ts'
import { tryRun } from '../command.ts'

/** Where a guest may connect although the range is closed to it. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** Entries of one flavor's allow-list, and addresses one name may stand for. */
const ENTRIES_MAX = 64
const ADDRESSES_MAX = 16
const LOOKUP_MS_MAX = 10_000
const NAME =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/

/**
 * A flavor's allow-list as addresses. Names are resolved now, by the host's resolver: a guest has no say in it. Errors:
 * `bad_config` for what is no `host:port`, `host_setup` for a name that does not resolve.
 */
export async function resolveEndpoints(
  allow: readonly string[],
  signal?: AbortSignal,
): Promise<readonly Endpoint[]> {
  if (allow.length > ENTRIES_MAX) throw refused(`network.allow has more than ${ENTRIES_MAX} entries`)
  const found = await Promise.all(allow.map(parseEntry).map((entry) => addressesOf(entry, signal)))
  const unique = new Map(found.flat().map((endpoint) => [`${endpoint.address}:${endpoint.port}`, endpoint]))
  return [...unique.values()]
}

/** `host:port`; the host is an IPv4 address or a name. */
export function parseEntry(entry: string): { readonly host: string; readonly port: number } {
  const split = entry.lastIndexOf(':')
  const host = entry.slice(0, Math.max(split, 0))
  const digits = entry.slice(split + 1)
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 0
  if (port < 1 || port > 65_535 || !NAME.test(host) || (/^[0-9.]+$/.test(host) && !isIPv4(host)))
    throw refused(`network.allow entry ${JSON.stringify(entry.slice(0, 80))} is not HOST:PORT`)
  return { host, port }
}

/** By a program, because a lookup inside this process could be neither ended nor bounded. */
async function addressesOf(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal | undefined,
): Promise<readonly Endpoint[]> {
  if (isIPv4(host)) return [{ address: host, port }]
  const object = `network.allow ${host}:${port}`
  const { stdout } = await tryRun('getent', ['ahostsv4', host], { object, signal, deadlineMs: LOOKUP_MS_MAX })
  const addresses = new Set(stdout.split('\n').map((line) => line.split(/\s/)[0] ?? ''))
  const found = [...addresses].filter((address) => isIPv4(address)).slice(0, ADDRESSES_MAX)
  if (found.length === 0)
    throw new SlipwayError('host_setup', { object, detail: `the name ${host} does not resolve` })
  return found.map((address) => ({ address, port }))
}

const refused = (detail: string): SlipwayError =>
  new SlipwayError('bad_config', { file: 'coordinator.toml', detail })
