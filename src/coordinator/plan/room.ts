/**
 * What is left to give in this turn: room on each host and machines under each flavor's limit. Both have two figures,
 * what is free now and what will be free once dying machines are gone, so that a job that waits for a dying machine
 * neither kills another one next turn nor sees its room taken by somebody behind it.
 */
import type { Capacity, Flavor, FlavorName, HostId, Reservation } from '../../model/index.ts'
import {
  type Candidate,
  fits,
  freeRoom,
  isTaken,
  minus,
  NO_ROOM,
  plus,
  roomFor,
} from '../placement/embedded.ts'
import type { Draft } from './draft.ts'
import type { HeldBuild, HeldMachine } from './view.ts'

interface HostRoom extends Candidate {
  /** Room of dying machines, less what earlier demands wait for. */
  readonly coming: Capacity
  /** Free reservations; they count as free room, and their name is used again where the shape fits. */
  readonly spare: readonly Reservation[]
}

export class Room {
  readonly #hosts = new Map<HostId, HostRoom>()
  readonly #flavors = new Map<FlavorName, { living: number; dying: number; claimed: number }>()

  constructor(draft: Draft) {
    const onHost = Map.groupBy(draft.view.reservations, ({ host }) => host)
    for (const [host, { capacity }] of draft.hosts) {
      const all = onHost.get(host) ?? []
      const free = freeRoom(capacity, all)
      const spare = all.filter((each) => !isTaken(each))
      this.#hosts.set(host, { host, capacity, free, coming: NO_ROOM, spare })
    }
    for (const machine of draft.machines.values()) {
      const flavor = this.#flavor(machine.spec.flavor)
      if (machine.state !== 'doomed') flavor.living += 1
      else this.dying(machine)
    }
    for (const build of draft.view.builds) if (build.state === 'over') this.ending(build)
  }

  host(host: HostId): HostRoom | undefined {
    return this.#hosts.get(host)
  }

  spares(): Reservation[] {
    return [...this.#hosts.values()].flatMap(({ spare }) => spare)
  }

  /** Counts a machine as dying that was not counted as living. */
  dying(machine: HeldMachine): void {
    this.#flavor(machine.spec.flavor).dying += 1
    this.#change(machine.host, ({ coming }) => ({ coming: plus(coming, roomFor(machine.spec)) }))
  }

  /** A living machine was doomed. */
  doomed(machine: HeldMachine): void {
    this.#flavor(machine.spec.flavor).living -= 1
    this.dying(machine)
  }

  /** A build that gives its room back. */
  ending({ host, shape }: Pick<HeldBuild, 'host' | 'shape'>): void {
    this.#change(host, ({ coming }) => ({ coming: plus(coming, roomFor(shape)) }))
  }

  /** Room to take now without taking what an earlier demand waits for. */
  available(host: HostId, need: Capacity): boolean {
    const room = this.#hosts.get(host)
    return room !== undefined && fits(room.free, need) && fits(plus(room.free, room.coming), need)
  }

  /** Room once the dying are gone. */
  willFit(host: HostId, need: Capacity, more: Capacity = NO_ROOM): boolean {
    const room = this.#hosts.get(host)
    return room !== undefined && fits(plus(plus(room.free, room.coming), more), need)
  }

  /** Keeps what will be free on the host for this demand, and its place under the limit. */
  claim(host: HostId, flavor: Flavor, need: Capacity): void {
    this.claimLimit(flavor)
    this.claimRoom(host, need)
  }

  claimRoom(host: HostId, need: Capacity): void {
    this.#change(host, ({ coming }) => ({ coming: minus(coming, need) }))
  }

  /** Takes room now that is no machine's. */
  takeRoom(host: HostId, need: Capacity): void {
    this.#change(host, ({ free }) => ({ free: minus(free, need) }))
  }

  /** True if a free reservation of that very shape waits on the host. */
  hasSpare(host: HostId, need: Capacity): boolean {
    return this.#hosts.get(host)?.spare.some(({ room }) => sameRoom(room, need)) ?? false
  }

  /** Takes room now; returns the spare reservation of that very shape, if there is one. */
  take(host: HostId, flavor: FlavorName, need: Capacity): Reservation | undefined {
    const spare = this.#hosts.get(host)?.spare.find(({ room }) => sameRoom(room, need))
    this.#flavor(flavor).living += 1
    this.#change(host, (room) => ({
      free: minus(room.free, need),
      spare: room.spare.filter((each) => each !== spare),
    }))
    return spare
  }

  underLimit(flavor: Flavor): boolean {
    const { living, dying, claimed } = this.#flavor(flavor.name)
    return living + Math.max(dying, claimed) < flavor.limit
  }

  willBeUnderLimit(flavor: Flavor): boolean {
    const { living, claimed } = this.#flavor(flavor.name)
    return living + claimed < flavor.limit
  }

  claimLimit(flavor: Flavor): void {
    this.#flavor(flavor.name).claimed += 1
  }

  #flavor(name: FlavorName): { living: number; dying: number; claimed: number } {
    const known = this.#flavors.get(name)
    if (known) return known
    const none = { living: 0, dying: 0, claimed: 0 }
    this.#flavors.set(name, none)
    return none
  }

  #change(host: HostId, change: (room: HostRoom) => Partial<HostRoom>): void {
    const room = this.#hosts.get(host)
    if (room) this.#hosts.set(host, { ...room, ...change(room) })
  }
}

const sameRoom = (a: Capacity, b: Capacity): boolean =>
  a.vcpus === b.vcpus && a.memoryMiB === b.memoryMiB && a.diskMiB === b.diskMiB
