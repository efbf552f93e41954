/**
 * What a start takes over from the store: every live lease, with a full time to live, and every machine that has ever
 * served: held by its lease, or on its way out. Others are found again when their hosts speak.
 */
import { assert, type Flavor, type FlavorName, type LeaseId, type MachineId } from '../model/index.ts'
import { DEMAND_MS_MAX } from './plan/index.ts'
import type { Ports } from './ports.ts'
import type { LiveLease, State } from './state.ts'
import type { Served } from './store/served.ts'

export function restore(
  state: State,
  { store, clock, ids }: Ports,
  flavors: ReadonlyMap<FlavorName, Flavor>,
): void {
  const now = clock.now()
  for (const { flavor, image, trustDomain, atMs } of store.asked(clock.wall() - DEMAND_MS_MAX)) {
    const own = flavors.get(flavor)?.image
    const name = image ?? own
    const agoMs = Math.max(0, clock.wall() - atMs)
    if (name !== undefined) state.demand({ flavor, image: name, trustDomain, atMs: now - agoMs })
  }
  const holders = new Map<MachineId, LiveLease>()
  for (const record of store.liveLeases(now)) {
    const { lease } = record
    assert(lease.state !== 'ended', 'an ended lease is not live')
    const live: LiveLease = { ...record, lease }
    state.setLease(live)
    if (lease.state === 'granted') holders.set(lease.machine, live)
  }
  for (const served of store.served()) {
    state.host(served.host, now)
    state.served.add(served.machine)
    const wallMs = clock.wall()
    state.addMachine({
      ...fields(served, holders.get(served.machine)),
      reservation: ids.reservation(),
      made: true,
      createdAtMs: wallMs,
      readyAtMs: wallMs,
      namedAtMs: now,
      stateAtMs: now,
    })
  }
}

function fields({ machine, host, spec }: Served, holder: LiveLease | undefined) {
  const held: { state: 'leased'; lease: LeaseId } | { state: 'doomed' } = holder
    ? { state: 'leased', lease: holder.lease.id }
    : { state: 'doomed' }
  return { machine, host, spec, timeline: holder?.timeline ?? [], ...held }
}
