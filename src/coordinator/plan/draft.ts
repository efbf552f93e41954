/** The plan's working copy: the view with the effects of the steps taken so far. */
import type { FlavorName, HostFacts, HostId, LeaseId, MachineId } from '../../model/index.ts'
import { makePool, newestImage, type Pool } from './pool.ts'
import type { DoomReason, HeldMachine, Step, View, WaitingLease } from './view.ts'

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
  readonly machines: Map<MachineId, HeldMachine>
  waiting: readonly WaitingLease[]
  readonly #stocks = new Map<string, Stock>()

  constructor(view: View, now: number) {
    this.view = view
    this.now = now
    this.hosts = new Map(
      view.hosts.flatMap(({ host, connected, facts }) => (connected && facts ? [[host, facts]] : [])),
    )
    this.machines = new Map(view.machines.map((machine) => [machine.machine, machine]))
    this.waiting = view.leases.filter((lease) => lease.state === 'waiting')
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
    return [...this.machines.values()]
      .filter(({ state }) => state !== 'leased' && state !== 'doomed')
      .sort(oldestFirst)
  }

  doom(machine: HeldMachine, why: DoomReason): void {
    this.steps.push({ do: 'doom', machine: machine.machine, why })
    this.mark(machine)
  }

  /** Takes the machine out of its stock as dying. */
  mark(machine: HeldMachine): void {
    this.machines.set(machine.machine, { ...machine, state: 'doomed' })
    for (const stock of this.#stocks.values()) {
      stock.ready = stock.ready.filter((each) => each !== machine)
      stock.making = stock.making.filter((each) => each !== machine)
    }
  }

  drop(leases: ReadonlySet<LeaseId>): void {
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
  idleTarget({ flavor, image, trustDomain }: Pool): number {
    const kept = image === flavor.image && this.view.domains.get(flavor.name)?.includes(trustDomain)
    return kept ? flavor.idle : 0
  }

  count(flavor: FlavorName, { dying }: { readonly dying: boolean }): number {
    let count = 0
    for (const { spec, state } of this.machines.values()) {
      if (spec.flavor === flavor && (state === 'doomed') === dying) count += 1
    }
    return count
  }

  #stock(machine: HeldMachine): void {
    const pool = this.poolOf(machine)
    if (!pool) return
    const stock = this.stock(pool)
    if (machine.state === 'ready') stock.ready.push(machine)
    else stock.making.push(machine)
  }
}

/** By age, then by name: a total order, so that the same view gives the same plan. */
export const oldestFirst = (a: HeldMachine, b: HeldMachine): number =>
  a.createdAtMs - b.createdAtMs || (a.machine < b.machine ? -1 : 1)
