/**
 * The nftables text of both rings around a machine, as functions of values that are all from closed alphabets.
 *
 *   guest ── tap0 ─[ l2: no spoofing ]─ namespace ─[ fw: no private range ]─ up0 ══ uplink ─[ host ring ]─ the world
 *
 * The outer ring repeats what the inner one forbids: a mistake in one is caught by the other.
 */
import type { Endpoint } from './endpoint.ts'
import type { Slot } from './slot.ts'

/** The same in every machine, so that a frozen guest fits every namespace. */
export const GUEST_ADDRESS = '10.99.0.2'
export const GUEST_MAC = '52:54:00:00:00:10'
export const GATEWAY_ADDRESS = '10.99.0.1'
export const GATEWAY_MAC = '02:00:00:00:00:01'
/** The guest's end and the outer end, inside the machine's namespace. */
export const TAP = 'tap0'
export const UP = 'up0'
const SSH_PORT = 22
const DNS_PORT = 53
const SMTP_PORT = 25

/** Connections one guest may hold, and open per second: the table is its namespace's own, its memory is the host's. */
const CONNECTIONS_MAX = 2048
const NEW_PER_SECOND_MAX = 500
const NEW_BURST = 1000
const QUERIES_PER_SECOND_MAX = 200
const ARP_PER_SECOND_MAX = 50

/** Everything that is not the public internet: RFC 6890. Includes 169.254.169.254 and every uplink. */
const DENIED = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
].join(', ')

/** What the guest's network card may send at all. Loaded once the tap is in the namespace, before it is up. */
export const linkRules = (): string => `table netdev l2 {
  chain in {
    type filter hook ingress device "${TAP}" priority -500; policy drop;
    ether saddr != ${GUEST_MAC} counter drop
    ether type arp arp operation { request, reply } arp saddr ether ${GUEST_MAC} arp saddr ip ${GUEST_ADDRESS} limit rate ${ARP_PER_SECOND_MAX}/second accept
    ether type != ip counter drop
    ip saddr != ${GUEST_ADDRESS} counter drop
    ip daddr { 224.0.0.0/4, 255.255.255.255 } counter drop
    accept
  }
}
`

export interface NamespaceRules {
  readonly slot: Slot
  readonly resolver: string | undefined
}

/** Where the guest may go, and who may come in: the host's own end of the uplink, to SSH. Loaded before any link is up. */
export const namespaceRules = ({ slot, resolver }: NamespaceRules): string => `table inet fw {
  set denied4 {
    type ipv4_addr; flags interval; elements = { ${DENIED} }
  }
  set allowed4 {
    type ipv4_addr . inet_service
  }
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
  }
  chain output {
    type filter hook output priority 0; policy drop;
    ct state established,related accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    meta nfproto ipv6 drop
    ct state invalid drop
    ct state established,related accept
    iifname "${UP}" oifname "${TAP}" ct status dnat ip daddr ${GUEST_ADDRESS} tcp dport ${SSH_PORT} accept
${
  resolver === undefined
    ? ''
    : `    iifname "${TAP}" oifname "${UP}" ct status dnat ip daddr ${resolver} meta l4proto { tcp, udp } th dport ${DNS_PORT} limit rate ${QUERIES_PER_SECOND_MAX}/second accept\n`
}    iifname "${TAP}" ct state new ct count over ${CONNECTIONS_MAX} counter drop
    iifname "${TAP}" ct state new limit rate over ${NEW_PER_SECOND_MAX}/second burst ${NEW_BURST} packets counter drop
    iifname "${TAP}" oifname "${UP}" ip daddr . tcp dport @allowed4 accept
    iifname "${TAP}" ip daddr @denied4 counter drop
    iifname "${TAP}" tcp dport ${SMTP_PORT} counter drop
    iifname "${TAP}" oifname "${UP}" accept
  }
  chain prerouting {
    type nat hook prerouting priority -100;
    iifname "${UP}" ip saddr ${slot.hostAddress} ip daddr ${slot.address} tcp dport ${SSH_PORT} dnat ip to ${GUEST_ADDRESS}
${
  resolver === undefined
    ? ''
    : `    iifname "${TAP}" ip daddr ${GATEWAY_ADDRESS} meta l4proto { tcp, udp } th dport ${DNS_PORT} dnat ip to ${resolver}\n`
}  }
  chain postrouting {
    type nat hook postrouting priority 100;
    oifname { "${UP}", "${TAP}" } masquerade
  }
}
`

/** Opens the flavor's allow-list in a namespace. */
export const allowInNamespace = (endpoints: readonly Endpoint[]): string =>
  endpoints.length === 0
    ? ''
    : `add element inet fw allowed4 { ${endpoints.map(({ address, port }) => `${address} . ${port}`).join(', ')} }\n`

export interface HostRules {
  /** Named after the host id: several may live in one network namespace. */
  readonly table: string
  readonly uplinkPrefix: string
  /** The uplinks' network. */
  readonly uplinks: string
  readonly resolver: string | undefined
  readonly uidFirst: number
  readonly uidLast: number
}

/**
 * The ring in the agent's own network namespace. The text may be loaded again at any time: it puts back what somebody
 * flushed, and keeps the allow-list's elements.
 */
export function hostRules(rules: HostRules): string {
  const { table, resolver, uplinks } = rules
  const uplink = `"${rules.uplinkPrefix}*"`
  const dns =
    resolver === undefined
      ? ''
      : `    iifname ${uplink} ip daddr ${resolver} meta l4proto { tcp, udp } th dport ${DNS_PORT} accept\n`
  const allowed = `    iifname ${uplink} ip saddr . ip daddr . tcp dport @allowed4 accept\n`
  const established = `    iifname ${uplink} ct state established,related accept\n`
  return `table inet ${table} {
  set denied4 {
    type ipv4_addr; flags interval; elements = { ${DENIED} }
  }
  set allowed4 {
    type ipv4_addr . ipv4_addr . inet_service
  }
  chain input {
    type filter hook input priority 0; policy accept;
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
  }
  chain output {
    type filter hook output priority 0; policy accept;
  }
  chain postrouting {
    type nat hook postrouting priority 100;
  }
}
flush chain inet ${table} input
flush chain inet ${table} forward
flush chain inet ${table} output
flush chain inet ${table} postrouting
table inet ${table} {
  chain input {
${established}${dns}${allowed}    iifname ${uplink} counter drop
  }
  chain forward {
    iifname ${uplink} meta nfproto ipv6 counter drop
    iifname ${uplink} oifname ${uplink} counter drop
${established}${dns}${allowed}    iifname ${uplink} ip daddr @denied4 counter drop
    oifname ${uplink} ct state established,related accept
    oifname ${uplink} counter drop
  }
  chain output {
    meta skuid ${rules.uidFirst}-${rules.uidLast} counter reject
  }
  chain postrouting {
    ip saddr ${uplinks} oifname != ${uplink} masquerade
  }
}
`
}

const hostElements = (slot: Slot, endpoints: readonly Endpoint[]): string =>
  endpoints.map(({ address, port }) => `${slot.address} . ${address} . ${port}`).join(', ')

/** Opens the flavor's allow-list for one machine in the host's ring. */
export const allowInHost = (table: string, slot: Slot, endpoints: readonly Endpoint[]): string =>
  endpoints.length === 0 ? '' : `add element inet ${table} allowed4 { ${hostElements(slot, endpoints)} }\n`
