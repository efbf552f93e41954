import { run, tryRun } from '../command.ts'
import type { Endpoint } from './endpoint.ts'
import {
  allowInNamespace,
  GATEWAY_ADDRESS,
  GATEWAY_MAC,
  GUEST_ADDRESS,
  GUEST_MAC,
  linkRules,
  namespaceRules,
  TAP,
  UP,
} from './rules.ts'
import type { Slot } from './slot.ts'

/**
 * A machine's network namespace: a router of its own between the guest's tap and an uplink to the agent's namespace.
 *
 *   makeNamespace ─► (stock) ─► plugTap ─► openLink ⇄ closeLink ─► removeNamespace
 *   rules, uplink up            tap down    tap up
 *
 * Each is deleted with its machine and never used again: no connection tracked for one guest can serve the next.
 */
export interface NamespaceOptions {
  readonly resolver: string | undefined
  readonly signal?: AbortSignal | undefined
}

export const namespacePath = (name: string): string => `/run/netns/${name}`

const SYSCTLS = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv6.conf.default.disable_ipv6=1',
  ...['all', 'default'].flatMap((scope) => [
    `net.ipv4.conf.${scope}.rp_filter=1`,
    `net.ipv4.conf.${scope}.accept_redirects=0`,
    `net.ipv4.conf.${scope}.send_redirects=0`,
    `net.ipv4.conf.${scope}.accept_source_route=0`,
  ]),
]

/** Makes the namespace with its uplink and rules; whatever an earlier attempt left under the same slot goes first. */
export async function makeNamespace(slot: Slot, { resolver, signal }: NamespaceOptions): Promise<void> {
  const object = `namespace ${slot.namespace}`
  await removeNamespace(slot)
  await run('ip', ['netns', 'add', slot.namespace], { object, signal })
  await inNamespace(slot.namespace, ['sysctl', '-q', '-w', ...SYSCTLS], { object, signal })
  await inNamespace(slot.namespace, ['nft', '-f', '-'], {
    object,
    signal,
    stdin: namespaceRules({ slot, resolver }),
  })
  await batch([], {
    object,
    signal,
    lines: [
      `link add ${slot.uplink} type veth peer name ${UP} netns ${slot.namespace}`,
      `link set ${slot.uplink} addrgenmode none`,
      `addr add ${slot.hostAddress}/30 dev ${slot.uplink}`,
      `link set ${slot.uplink} up`,
    ],
  })
  await batch(['-n', slot.namespace], {
    object,
    signal,
    lines: [
      `addr add ${slot.address}/30 dev ${UP}`,
      `link set ${UP} up`,
      'link set lo up',
      `route add default via ${slot.hostAddress}`,
    ],
  })
}

export interface PlugOptions {
  /** Where libvirt made the tap. */
  readonly from: string
  readonly signal?: AbortSignal | undefined
}

/** Brings the tap of a paused guest into its namespace, down, with the rules of its link in place. */
export async function plugTap(slot: Slot, { from, signal }: PlugOptions): Promise<void> {
  const object = `tap of ${slot.namespace}`
  await batch(['-n', from], {
    object,
    signal,
    lines: [`link set dev ${slot.tap} down`, `link set dev ${slot.tap} netns ${slot.namespace} name ${TAP}`],
  })
  await batch(['-n', slot.namespace], {
    object,
    signal,
    lines: [
      `link set dev ${TAP} address ${GATEWAY_MAC} addrgenmode none`,
      `addr add ${GATEWAY_ADDRESS}/30 dev ${TAP}`,
    ],
  })
  await inNamespace(slot.namespace, ['nft', '-f', '-'], {
    object,
    signal,
    stdin: linkRules(),
  })
}

/** Lets the guest connect to these, although their range is closed to it. */
export async function openNamespace(
  slot: Slot,
  { endpoints, signal }: { readonly endpoints: readonly Endpoint[]; readonly signal?: AbortSignal },
): Promise<void> {
  const stdin = allowInNamespace(endpoints)
  if (stdin === '') return
  const object = `allow-list of ${slot.namespace}`
  await inNamespace(slot.namespace, ['nft', '-f', '-'], { object, signal, stdin })
}

/** Opens the host's end. The neighbour is fixed, so that no ARP answer of the guest is ever believed. */
export async function openLink(slot: Slot, signal?: AbortSignal): Promise<void> {
  await batch(['-n', slot.namespace], {
    object: `link of ${slot.namespace}`,
    signal,
    lines: [
      `link set dev ${TAP} up`,
      `neigh replace ${GUEST_ADDRESS} lladdr ${GUEST_MAC} dev ${TAP} nud permanent`,
    ],
  })
}

/** Closes the host's end; the guest keeps its carrier and its address. */
export async function closeLink(slot: Slot, signal?: AbortSignal): Promise<void> {
  await batch(['-n', slot.namespace], {
    object: `link of ${slot.namespace}`,
    signal,
    lines: [`link set dev ${TAP} down`],
  })
}

/** Removes namespace and uplink; fine if neither exists. Both names are free again when it resolves. */
export async function removeNamespace(slot: Pick<Slot, 'namespace' | 'uplink'>): Promise<void> {
  await removeUplink(slot.uplink)
  await unlessGone(['netns', 'del', slot.namespace], `namespace ${slot.namespace}`)
}

/** Deleting a namespace deletes its interfaces some time later; deleting the pair by name is done when it returns. */
export const removeUplink = (uplink: string): Promise<void> =>
  unlessGone(['link', 'del', uplink], `uplink ${uplink}`)

/** A tap that never left the place where libvirt made it. */
export const removeTap = (namespace: string, tap: string): Promise<void> =>
  unlessGone(['-n', namespace, 'link', 'del', tap], `tap ${tap}`)

export function inNamespace(
  namespace: string,
  command: readonly string[],
  options: { readonly object: string; readonly signal?: AbortSignal | undefined; readonly stdin?: string },
): Promise<string> {
  return run('nsenter', [`--net=${namespacePath(namespace)}`, '--', ...command], options)
}

interface BatchOptions {
  readonly object: string
  readonly signal: AbortSignal | undefined
  readonly lines: readonly string[]
}

/** Several `ip` commands for the price of one process; the first failure ends it. */
async function batch(args: readonly string[], { object, signal, lines }: BatchOptions): Promise<void> {
  await run('ip', [...args, '-batch', '-'], { object, signal, stdin: `${lines.join('\n')}\n` })
}

const GONE = /No such file or directory|Cannot find device|Cannot open network namespace/

async function unlessGone(args: readonly string[], object: string): Promise<void> {
  const { exitCode, stderr } = await tryRun('ip', args, { object })
  if (exitCode !== 0 && !GONE.test(stderr)) await run('ip', args, { object })
}
