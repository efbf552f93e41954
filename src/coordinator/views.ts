/** What callers are shown. No secret passes here but through `accessView`. */
import type { LeaseView, MachineView, Reply } from '../api/index.ts'
import type { Access, Flavor, FlavorName } from '../model/index.ts'
import { forecast } from './forecast.ts'
import { NO_ROOM, plus } from './placement/embedded.ts'
import type { HeldMachine } from './plan/index.ts'
import type { Host, LiveLease, State } from './state.ts'
import type { LeaseRecord } from './store/leases.ts'
import type { Token } from './store/tokens.ts'
import { missingTemplate } from './template-views.ts'

export interface LeaseContext extends Time {
  readonly state: State
  readonly flavors: ReadonlyMap<FlavorName, Flavor>
}

/** A lease, live or ended; of a waiting one also why it waits and for how long about. */
export function leaseView(record: LeaseRecord | LiveLease, context: LeaseContext): LeaseView {
  const { state } = context
  const { lease, timeline: kept } = record
  const granted = lease.state === 'granted' ? lease : undefined
  const ended = lease.state === 'ended' ? lease : undefined
  const machine = granted?.machine ?? ended?.machine
  const timeline = (granted && state.machines.get(granted.machine)?.timeline) ?? kept
  return defined({
    id: lease.id,
    name: lease.name,
    runner: lease.owner.runner,
    trustDomain: lease.owner.trustDomain,
    flavor: lease.flavor,
    image: lease.image,
    state: lease.state,
    ttlMs: lease.ttlMs,
    askedAtMs: lease.askedAtMs,
    grantedAtMs: granted?.grantedAtMs ?? ended?.grantedAtMs,
    endedAtMs: ended?.endedAtMs,
    machine,
    host: granted?.host,
    end: ended?.end,
    failure: ended?.failure,
    waiting: lease.state === 'waiting' ? waitingView(record, context) : undefined,
    timeline: timeline && [...timeline],
    consoleTail: 'consoleTail' in record && record.consoleTail ? [...record.consoleTail] : undefined,
  })
}

export function machineView(machine: HeldMachine, state: State): MachineView {
  const lease = machine.lease === undefined ? undefined : state.leases.get(machine.lease)
  return defined({
    machine: machine.machine,
    host: machine.host,
    state: machine.state,
    spec: machine.spec,
    createdAtMs: machine.createdAtMs,
    readyAtMs: machine.readyAtMs,
    lease: lease?.lease.name,
    timeline: [...machine.timeline],
    address: machine.access?.address,
    port: machine.access?.port,
    hostKey: machine.access?.hostKey,
  })
}

export function hostView(host: Host, state: State): Reply<'hostList'>['hosts'][number] {
  const reservations = [...state.reservations.values()].filter((each) => each.host === host.host)
  return defined({
    host: host.host,
    connected: host.link !== undefined,
    facts: host.facts,
    machines: state.machinesOn(host.host).length,
    reserved: reservations.reduce((sum, { room }) => plus(sum, room), NO_ROOM),
  })
}

export const flavorView = (flavor: Flavor): Reply<'flavorList'>['flavors'][number] => ({
  ...flavor,
  network: { allow: [...flavor.network.allow] },
})

export const tokenView = (token: Token): Reply<'tokenList'>['tokens'][number] => ({
  ...token,
  flavors: [...token.flavors],
  images: [...token.images],
})

/** The one place where a private key is put into words for a caller. */
export const accessView = ({ marks: _, ...access }: Access): Reply<'leaseAccess'> => ({
  ...access,
  privateKey: access.privateKey.reveal(),
})

function waitingView(
  record: LeaseRecord | LiveLease,
  { state, flavors, ...time }: LeaseContext,
): LeaseView['waiting'] {
  const flavor = flavors.get(record.lease.flavor)
  const wait = 'wait' in record ? record.wait : undefined
  if (!wait) return { position: 1, making: 0 }
  const template = flavor && missingTemplate(record, state, flavor)
  return defined({ ...wait, template, estimateMs: estimate(record.lease, wait, { state, ...time }) })
}

interface Time {
  /** Monotonic. */
  readonly now: number
  readonly wall: number
}

/** How long a lease has to wait, going by what machines and leases have lately taken. */
function estimate(
  lease: LeaseRecord['lease'],
  { position, reason }: NonNullable<LiveLease['wait']>,
  { state, now, wall }: Time & { readonly state: State },
): number | undefined {
  const { flavor, owner } = lease
  const makingMs: number[] = []
  for (const { spec, state: stage, namedAtMs } of state.machines.values()) {
    const same = spec.flavor === flavor && spec.trustDomain === owner.trustDomain
    if (same && (stage === 'named' || stage === 'creating')) makingMs.push(now - namedAtMs)
  }
  const running: { ranMs: number; leaseMs: readonly number[] }[] = []
  for (const { lease: other } of state.leases.values()) {
    if (other.state !== 'granted' || (reason?.code === 'too_busy' && other.flavor !== flavor)) continue
    running.push({ ranMs: wall - other.grantedAtMs, leaseMs: state.memory.of(other.flavor).leaseMs })
  }
  const madeMs = state.memory.of(flavor).makingMs
  return forecast({ position, reason: reason?.code, makingMs, running, madeMs })
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Without the keys whose value is undefined: absent is absent, on the wire too. */
function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Defined<T>
}
