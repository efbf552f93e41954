/** Pools: which machine may serve which lease. */
import type { Flavor, HostFacts, HostImage, MachineSpec, TrustDomain } from '../../model/index.ts'
import type { GrantedLease, WaitingLease } from './view.ts'

/** What must be equal between a machine and a lease. The image is a name here; hosts hold its versions. */
export interface Pool {
  readonly flavor: Flavor
  readonly image: string
  readonly trustDomain: TrustDomain
  /** Equal for equal pools. */
  readonly key: string
}

export const makePool = (flavor: Flavor, image: string, trustDomain: TrustDomain): Pool => ({
  flavor,
  image,
  trustDomain,
  key: `${flavor.name} ${image} ${trustDomain}`,
})

/** The pool that serves a lease, or has served it. Remembered: a thousand leases may wait through thousands of turns. */
export function poolOf(lease: WaitingLease | GrantedLease, flavor: Flavor): Pool {
  const known = remembered.get(lease)
  if (known?.flavor === flavor) return known
  const pool = makePool(flavor, lease.image ?? flavor.image, lease.owner.trustDomain)
  remembered.set(lease, pool)
  return pool
}

const remembered = new WeakMap<WaitingLease | GrantedLease, Pool>()

/** True for leases that the same machines serve: most neighbours in a queue, so that one answer does for them. */
export const isSamePool = (a: WaitingLease | GrantedLease, b: WaitingLease | GrantedLease): boolean =>
  a.flavor === b.flavor && a.image === b.image && a.owner.trustDomain === b.owner.trustDomain

/** The newest version of an image on a host: the one built last. Remembered for as long as the host says the same. */
export function newestImage(facts: HostFacts, name: string): HostImage | undefined {
  const known = newest.get(facts) ?? newestByName(facts)
  newest.set(facts, known)
  return known.get(name)
}

const newest = new WeakMap<HostFacts, ReadonlyMap<string, HostImage>>()

const newestByName = ({ images }: HostFacts): ReadonlyMap<string, HostImage> =>
  new Map(
    [...images]
      .sort(newestFirst)
      .reverse()
      .map((image) => [image.name, image]),
  )

/** What a new machine of the pool is, made from this version of its image. */
export const specFor = ({ flavor, trustDomain }: Pool, image: HostImage): MachineSpec => ({
  flavor: flavor.name,
  image: image.digest,
  vcpus: flavor.vcpus,
  memoryMiB: flavor.memoryMiB,
  diskGiB: flavor.diskGiB,
  network: flavor.network,
  trustDomain,
  sharing: flavor.sharing,
  allowEmulation: flavor.allowEmulation,
})

/** Why this host makes no machines of the pool, whatever room it has. */
export function refusal(facts: HostFacts, pool: Pool, image: HostImage | undefined): string | undefined {
  if (!image) return `has no image ${pool.image}`
  if (facts.acceleration === 'emulated' && !pool.flavor.allowEmulation) {
    return `only emulates, which flavor ${pool.flavor.name} does not allow`
  }
  return undefined
}

/** True while a machine of this spec is still what its flavor asks for. */
export const fitsFlavor = (spec: MachineSpec, flavor: Flavor): boolean =>
  spec.vcpus === flavor.vcpus &&
  spec.memoryMiB === flavor.memoryMiB &&
  spec.diskGiB === flavor.diskGiB &&
  (spec.sharing ?? 'trust-domain') === flavor.sharing &&
  spec.allowEmulation === flavor.allowEmulation &&
  spec.network.allow.join() === flavor.network.allow.join()

const newestFirst = (a: HostImage, b: HostImage): number =>
  compare(b.builtAt, a.builtAt) || compare(b.version, a.version) || compare(b.digest, a.digest)

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
