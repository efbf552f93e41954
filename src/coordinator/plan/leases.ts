/** The plan's part about leases: which are over, which can never be served, which get a machine now. */
import type { Failure, FlavorName, LeaseId } from '../../model/index.ts'
import type { Draft } from './draft.ts'
import { fitsFlavor, isSamePool, newestImage, poolOf } from './pool.ts'
import type { HeldMachine, WaitingLease } from './view.ts'

/** Ends leases whose front has fallen silent; their machines die with them. */
export function endOverdue(draft: Draft): void {
  const over = new Set<LeaseId>()
  for (const lease of draft.view.leases) {
    if (draft.now - lease.aliveAtMs <= lease.ttlMs) continue
    over.add(lease.id)
    const failure: Failure = { code: 'lease_expired', args: { lease: lease.name } }
    draft.steps.push({ do: 'end', lease: lease.id, end: 'expired', failure })
    draft.end(lease)
    const machine = lease.state === 'granted' ? draft.machines.get(lease.machine) : undefined
    if (machine) draft.mark(machine)
  }
  draft.drop(over)
}

/** Ends waiting leases that no host will ever serve as things are. */
export function refuseHopeless(draft: Draft): void {
  const over = new Set<LeaseId>()
  let last: { readonly lease: WaitingLease; readonly failure: Failure | undefined } | undefined
  for (const lease of draft.waiting) {
    if (!last || !isSamePool(last.lease, lease)) last = { lease, failure: hopeless(draft, lease) }
    const { failure } = last
    if (!failure) continue
    over.add(lease.id)
    draft.end(lease)
    draft.steps.push({ do: 'end', lease: lease.id, end: 'failed', failure })
  }
  draft.drop(over)
}

/**
 * Gives ready machines to waiting leases, first come, first served. More than the limit may be ready for a moment: a
 * restarted coordinator makes machines before all hosts have told of theirs.
 */
export function grant(draft: Draft): void {
  if (draft.waiting.length === 0) return
  const over = new Set<LeaseId>()
  const leasedOf = countLeased(draft)
  for (const lease of draft.waiting) {
    const flavor = draft.view.flavors.get(lease.flavor)
    const count = leasedOf.get(lease.flavor) ?? 0
    if (!flavor || count >= flavor.limit) continue
    const pool = poolOf(lease, flavor)
    const stock = draft.stock(pool)
    if (stock.ready.length === 0) continue
    const usable = stock.ready.filter((machine) => fitsFlavor(machine.spec, flavor))
    const machine = usable.find((each) => draft.isNewest(each, pool)) ?? usable[0]
    if (!machine) continue
    over.add(lease.id)
    leasedOf.set(lease.flavor, count + 1)
    draft.steps.push({ do: 'grant', lease: lease.id, machine: machine.machine })
    draft.machines.set(leased(machine, lease))
    draft.serve(lease)
    stock.ready = stock.ready.filter((each) => each !== machine)
  }
  draft.drop(over)
}

function countLeased(draft: Draft): Map<FlavorName, number> {
  const counts = new Map<FlavorName, number>()
  for (const { spec, state } of draft.machines.values()) {
    if (state === 'leased') counts.set(spec.flavor, (counts.get(spec.flavor) ?? 0) + 1)
  }
  return counts
}

const leased = (machine: HeldMachine, lease: WaitingLease): HeldMachine => ({
  ...machine,
  state: 'leased',
  lease: lease.id,
})

/** An image that is on no host is hopeless only once every known host is here to say so. */
function hopeless(draft: Draft, lease: WaitingLease): Failure | undefined {
  const flavor = draft.view.flavors.get(lease.flavor)
  if (!flavor) {
    const known = [...draft.view.flavors.keys()].join(', ')
    return { code: 'unknown_flavor', args: { flavor: lease.flavor, known } }
  }
  if (draft.hosts.size === 0 || draft.view.hosts.some(({ connected }) => !connected)) return undefined
  const { image } = poolOf(lease, flavor)
  const hosts = [...draft.hosts.values()]
  if (hosts.some((facts) => newestImage(facts, image))) return undefined
  const known = [...new Set(hosts.flatMap((facts) => facts.images.map(({ name }) => name)))].sort()
  return { code: 'unknown_image', args: { image, known: known.join(', ').slice(0, 300) || 'none' } }
}
