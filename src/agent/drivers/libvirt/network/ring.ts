import { readFile, writeFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { uplinkPrefix } from '../../../../guest/index.ts'
import { type HostId, SlipwayError } from '../../../../model/index.ts'
import { run, tryRun } from '../command.ts'
import { ringName } from '../names.ts'
import type { Endpoint } from './endpoint.ts'
import { allowInHost, hostRules } from './rules.ts'
import { SLOT_MIN, type Slot, slotMax } from './slot.ts'

export interface RingSettings {
  readonly host: HostId
  readonly uplink: string
  readonly resolver?: string | undefined
  readonly uidBase: number
  readonly uidCount: number
}

const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward'
const OBJECT = "the host's firewall"

/**
 * Loads the outer ring into the network namespace the agent runs in, and lets that namespace forward IPv4. Forwarding
 * is a switch of the whole namespace: it stays on when Slipway leaves, because others may have come to need it.
 */
export async function ensureRing(settings: RingSettings, signal?: AbortSignal): Promise<void> {
  await loadRing(settings, '', signal)
  if ((await readFile(IP_FORWARD, 'utf8')).trim() !== '1') await allowForwarding()
}

/** Lets one machine reach its flavor's allow-list, and puts back what somebody may have flushed meanwhile. */
export async function openRing(
  settings: RingSettings,
  {
    slot,
    endpoints,
    signal,
  }: { readonly slot: Slot; readonly endpoints: readonly Endpoint[]; readonly signal?: AbortSignal },
): Promise<void> {
  await loadRing(settings, allowInHost(ringName(settings.host), slot, endpoints), signal)
}

async function loadRing(
  settings: RingSettings,
  more: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  requireResolver(settings.resolver)
  const text = hostRules({
    table: ringName(settings.host),
    uplinkPrefix: uplinkPrefix(settings.host),
    uplinks: settings.uplink,
    resolver: settings.resolver,
    uidFirst: settings.uidBase,
    uidLast: settings.uidBase + Math.max(slotMax(settings), SLOT_MIN),
  })
  await run('nft', ['-f', '-'], { object: OBJECT, stdin: text + more, signal })
}

/** A guest's question leaves its namespace: an address of the loopback is nobody there. */
function requireResolver(resolver: string | undefined): void {
  if (resolver === undefined || (isIPv4(resolver) && !resolver.startsWith('127.'))) return
  const detail = `network.resolver "${resolver}" is no IPv4 address that guests could reach`
  throw new SlipwayError('bad_config', { file: 'agent.toml', detail })
}

/** Takes back whatever `openRing` allowed to `address`; fine if nothing. */
export async function closeRing(host: HostId, address: string): Promise<void> {
  const open = (await ringElements(host)).filter((element) => element.address === address)
  if (open.length === 0) return
  const elements = open.map(({ address, to, port }) => `${address} . ${to} . ${port}`).join(', ')
  await run('nft', ['delete', 'element', 'inet', ringName(host), 'allowed4', `{ ${elements} }`], {
    object: OBJECT,
  })
}

export interface RingElement {
  /** Of the machine's uplink. */
  readonly address: string
  readonly to: string
  readonly port: number
}

/** What the ring allows now; nothing if it is not there. */
export async function ringElements(host: HostId): Promise<readonly RingElement[]> {
  const { exitCode, stdout } = await tryRun('nft', ['list', 'set', 'inet', ringName(host), 'allowed4'], {
    object: OBJECT,
  })
  if (exitCode !== 0) return []
  return [...stdout.matchAll(/([0-9.]+) \. ([0-9.]+) \. ([0-9]+)/g)].map(
    ([, address = '', to = '', port = '']) => ({
      address,
      to,
      port: Number(port),
    }),
  )
}

/** True while the ring is loaded. */
export async function ringExists(host: HostId): Promise<boolean> {
  return (
    (await tryRun('nft', ['list', 'set', 'inet', ringName(host), 'allowed4'], { object: OBJECT }))
      .exitCode === 0
  )
}

/** Removes the ring; fine if it is gone. */
export async function removeRing(host: HostId): Promise<void> {
  if (await ringExists(host))
    await run('nft', ['delete', 'table', 'inet', ringName(host)], { object: OBJECT })
}

async function allowForwarding(): Promise<void> {
  try {
    await writeFile(IP_FORWARD, '1')
  } catch (cause) {
    throw new SlipwayError('host_setup', { object: IP_FORWARD, detail: 'cannot be set to 1' }, { cause })
  }
}
