/** The plan's working copy: the view with the effects of the steps taken so far. */
import {
  type FlavorName,
  type HostFacts,
  type HostId,
  hasOwnAutoscaler,
  type LeaseId,
  type TemplateShape,
} from '../../model/index.ts'
import { type Demand, fixedIdle, idleTarget, type Rules, surplus } from '../policy/index.ts'
import { Machines } from './machines.ts'
import { isSamePool, makePool, newestImage, type Pool, poolOf } from './pool.ts'
import type {
  DoomReason,
  GrantedLease,
  HeldBuild,
  HeldMachine,
  Step,
  UnbuildReason,
  View,
  WaitingLease,
  Wish,
} from './view.ts'
import { renewWishes } from './wishes.ts'

/** Unleased machines of one pool on connected hosts, oldest first. */
export interface Stock {
  ready: HeldMachine[]
  /** On the way to ready, or for a moment not reachable. */
  making: HeldMachine[]
}

export class Draft {
  readonly view: View
  readonly now: number
  readonly steps: Step[] = []
  /** Hosts that are connected and have said what they are. */
  readonly hosts: ReadonlyMap<HostId, HostFacts>
  readonly machines: Machines
  waiting: readonly WaitingLease[]
  readonly wishes: Map<HostId, readonly Wish[]>
  #builds: readonly Pick<HeldBuild, 'host' | 'shape'>[]
  readonly #stocks = new Map<string, Stock>()
  readonly #demands = new Map<string, MutableDemand>()
  #last: { readonly lease: WaitingLease | GrantedLease; readonly demand: MutableDemand } | undefined

  constructor(view: View, now: number) {
    this.view = view
    this.now = now
    this.hosts = new Map(
      view.hosts.flatMap(({ host, connected, facts }) => (connected && facts ? [[host, facts]] : [])),
    )
    this.machines = new Machines(view.machines)
    this.waiting = view.leases.filter((lease) => lease.state === 'waiting')
    this.wishes = new Map(view.wishes)
    this.#builds = view.builds
    for (const lease of view.leases) this.#count(lease, 1)
    for (const machine of this.unleased()) this.#stock(machine)
  }

  stock({ key }: Pool): Stock {
    const known = this.#stocks.get(key)
    if (known) return known
    const empty: Stock = { ready: [], making: [] }
    this.#stocks.set(key, empty)
    return empty
  }

  /** Every stock that has a machine. */
  stocks(): IterableIterator<[string, Stock]> {
    return this.#stocks.entries()
  }

  /** Machines that live and serve nobody, oldest first. */
  unleased(): HeldMachine[] {
    const unleased: HeldMachine[] = []
    for (const machine of this.machines.values()) {
      if (machine.state !== 'leased' && machine.state !== 'doomed') unleased.push(machine)
    }
    return unleased.sort(oldestFirst)
  }

  doom(machine: HeldMachine, why: DoomReason, forFlavor?: FlavorName): void {
    const whose = forFlavor === undefined ? {} : { for: forFlavor }
    this.steps.push({ do: 'doom', machine: machine.machine, why, ...whose })
    this.mark(machine)
  }

  /** Takes the machine out of its stock as dying. */
  mark(machine: HeldMachine): void {
    this.machines.set({ ...machine, state: 'doomed' })
    for (const stock of this.#stocks.values()) {
      stock.ready = stock.ready.filter((each) => each !== machine)
      stock.making = stock.making.filter((each) => each !== machine)
    }
  }

  /** A lease is over. */
  end(lease: WaitingLease | GrantedLease): void {
    this.#count(lease, -1)
  }

  /** A waiting lease has its machine. */
  serve(lease: WaitingLease): void {
    this.#count(lease, -1)
    const demand = this.#demand(lease)
    if (demand && !hasOwnAutoscaler(lease)) demand.leased += 1
  }

  /** Builds that hold room, those included that are giving it back. */
  builds(): readonly Pick<HeldBuild, 'host' | 'shape'>[] {
    return this.#builds
  }

  wish(host: HostId, shapes: readonly TemplateShape[]): void {
    this.wishes.set(host, renewWishes(this.wishes.get(host) ?? [], shapes, this.now))
    this.steps.push({ do: 'wish', host, shapes })
  }

  build(host: HostId, shape: TemplateShape): void {
    this.#builds = [...this.#builds, { host, shape }]
    this.steps.push({ do: 'build', host, shape })
  }

  unbuild({ reservation }: HeldBuild, why: UnbuildReason): void {
    this.steps.push({ do: 'unbuild', reservation, why })
  }

  drop(leases: ReadonlySet<LeaseId>): void {
    if (leases.size === 0) return
    this.waiting = this.waiting.filter((lease) => !leases.has(lease.id))
  }

  /** The pool that an unleased machine belongs to, by what its host says its image is called. */
  poolOf(machine: HeldMachine): Pool | undefined {
    const flavor = this.view.flavors.get(machine.spec.flavor)
    const image = this.hosts.get(machine.host)?.images.find(({ digest }) => digest === machine.spec.image)
    if (!flavor || !image) return undefined
    return makePool(flavor, image.name, machine.spec.trustDomain)
  }

  /** True if no newer version of its image lies on its host. */
  isNewest(machine: HeldMachine, pool: Pool): boolean {
    const facts = this.hosts.get(machine.host)
    return facts !== undefined && newestImage(facts, pool.image)?.digest === machine.spec.image
  }

  /** How many idle machines the pool keeps: the flavor's own image only, for domains that have a runner. */
  idleTarget(pool: Pool): number {
    const { flavor, image, trustDomain } = pool
    const kept = image === flavor.image && this.view.domains.get(flavor.name)?.includes(trustDomain)
    return kept ? idleTarget(this.#rules(pool), this.demand(pool)) : 0
  }

  /** How many of the pool's ready machines must go: more than it keeps, and idle for long enough. */
  surplus(pool: Pool): number {
    const rules = this.#rules(pool)
    const { ready, making } = this.stock(pool)
    const expired = ready.filter(({ stateAtMs }) => this.now - stateAtMs >= rules.idleTimeMs).length
    const spare = { ready: ready.length, expired, making: making.length - this.made(pool) }
    return surplus(rules, spare, this.idleTarget(pool))
  }

  /** How many of the pool's waiting leases machines are made for. */
  made(pool: Pool): number {
    const { waiting, others } = this.#demands.get(pool.key) ?? NO_DEMAND
    return others + (this.onDemand(pool) ? waiting : 0)
  }

  /** False: what waits is served from idle machines alone. */
  onDemand(pool: Pool): boolean {
    const rules = this.#rules(pool)
    return !(rules.dialect === 'taskscaler' && rules.preemptive)
  }

  /** The pool's leases, but for those whose front has an autoscaler of its own. */
  demand({ key }: Pool): Demand {
    return this.#demands.get(key) ?? NO_DEMAND
  }

  /** How many of them no other pool's job takes away. */
  idleMin(pool: Pool): number {
    return Math.min(pool.flavor.idleMin, this.idleTarget(pool))
  }

  /** Pools that leases wait for a machine of, and how many do. */
  *awaitedPools(): Generator<{ readonly pool: Pool; readonly count: number }> {
    for (const { pool, waiting, others } of this.#demands.values()) {
      const count = waiting + others
      if (count > 0) yield { pool, count }
    }
  }

  /** Pools that keep idle machines. */
  *idlePools(): Generator<Pool> {
    for (const flavor of this.view.flavors.values()) {
      for (const trustDomain of this.view.domains.get(flavor.name) ?? []) {
        const pool = makePool(flavor, flavor.image, trustDomain)
        if (this.idleTarget(pool) > 0) yield pool
      }
    }
  }

  count(flavor: FlavorName, { dying }: { readonly dying: boolean }): number {
    let count = 0
    for (const { spec, state } of this.machines.values()) {
      if (spec.flavor === flavor && (state === 'doomed') === dying) count += 1
    }
    return count
  }

  #rules({ flavor }: Pool): Rules {
    return this.view.standings.get(flavor.name)?.rules ?? fixedIdle(flavor.idle)
  }

  #demand(lease: WaitingLease | GrantedLease): MutableDemand | undefined {
    // Neighbours are mostly of one pool, and there may be thousands.
    if (this.#last && isSamePool(this.#last.lease, lease)) return this.#last.demand
    const flavor = this.view.flavors.get(lease.flavor)
    if (!flavor) return undefined
    const pool = poolOf(lease, flavor)
    const demand = this.#demands.get(pool.key) ?? { pool, leased: 0, waiting: 0, others: 0 }
    this.#demands.set(pool.key, demand)
    this.#last = { lease, demand }
    return demand
  }

  #count(lease: WaitingLease | GrantedLease, by: number): void {
    const demand = this.#demand(lease)
    if (!demand) return
    if (!hasOwnAutoscaler(lease)) demand[lease.state === 'waiting' ? 'waiting' : 'leased'] += by
    else if (lease.state === 'waiting') demand.others += by
  }

  #stock(machine: HeldMachine): void {
    const pool = this.poolOf(machine)
    if (!pool) return
    const stock = this.stock(pool)
    if (machine.state === 'ready') stock.ready.push(machine)
    else stock.making.push(machine)
  }
}

interface MutableDemand {
  readonly pool: Pool
  leased: number
  waiting: number
  /** Waiting leases whose front has an autoscaler of its own. */
  others: number
}

const NO_DEMAND: Readonly<Omit<MutableDemand, 'pool'>> = { leased: 0, waiting: 0, others: 0 }

/** By age, then by name: a total order, so that the same view gives the same plan. */
export const oldestFirst = (a: HeldMachine, b: HeldMachine): number =>
  a.createdAtMs - b.createdAtMs || (a.machine < b.machine ? -1 : 1)
