/**
 * Placement without a cluster: arithmetic on what hosts say they have. Dying machines count until they are gone,
 * because their reservations do.
 */
import type { Capacity, HostId, MachineSpec, Reservation } from '../../model/index.ts'

/**
 * What a machine takes beyond its own memory at most: QEMU's own, the same figure that the host's hard limit for a
 * machine leaves room for.
 */
export const MACHINE_OVERHEAD_MIB = 256

/** Room that one machine of this spec takes: the whole overlay, so that no guest can fill its host's disk. */
export function roomFor(spec: Pick<MachineSpec, 'vcpus' | 'memoryMiB' | 'diskGiB'>): Capacity {
  return {
    vcpus: spec.vcpus,
    memoryMiB: spec.memoryMiB + MACHINE_OVERHEAD_MIB,
    diskMiB: spec.diskGiB * MIB_PER_GIB,
  }
}

/** What machines and builds leave of a host's capacity, dying ones included; below zero where a host has shrunk under them. */
export function freeRoom(
  capacity: Capacity,
  reservations: readonly Pick<Reservation, 'room' | 'machine' | 'template'>[],
): Capacity {
  let { vcpus, memoryMiB, diskMiB } = capacity
  for (const each of reservations) {
    if (!isTaken(each)) continue
    vcpus -= each.room.vcpus
    memoryMiB -= each.room.memoryMiB
    diskMiB -= each.room.diskMiB
  }
  return { vcpus, memoryMiB, diskMiB }
}

/** A machine stands in it, or one that is booted to be frozen. */
export const isTaken = ({ machine, template }: Pick<Reservation, 'machine' | 'template'>): boolean =>
  machine !== undefined || template !== undefined

export const NO_ROOM: Capacity = { vcpus: 0, memoryMiB: 0, diskMiB: 0 }

export const fits = (free: Capacity, need: Capacity): boolean =>
  free.vcpus >= need.vcpus && free.memoryMiB >= need.memoryMiB && free.diskMiB >= need.diskMiB

export const minus = (a: Capacity, b: Capacity): Capacity => ({
  vcpus: a.vcpus - b.vcpus,
  memoryMiB: a.memoryMiB - b.memoryMiB,
  diskMiB: a.diskMiB - b.diskMiB,
})

export const plus = (a: Capacity, b: Capacity): Capacity => ({
  vcpus: a.vcpus + b.vcpus,
  memoryMiB: a.memoryMiB + b.memoryMiB,
  diskMiB: a.diskMiB + b.diskMiB,
})

/** A host that might take a machine. */
export interface Candidate {
  readonly host: HostId
  readonly capacity: Capacity
  readonly free: Capacity
}

/**
 * The host that would be fullest afterwards, so that large machines still find an empty one; `undefined` when none has
 * room. Equal hosts: the first by name.
 */
export function bestFit<T extends Candidate>(candidates: readonly T[], need: Capacity): T | undefined {
  return candidates
    .filter(({ free }) => fits(free, need))
    .sort((a, b) => leftover(a, need) - leftover(b, need) || (a.host < b.host ? -1 : 1))[0]
}

/** "h1 memory 2.1 of 64 GiB free, needs 4": the first thing a host lacks, for people. */
export function shortOf({ host, capacity, free }: Candidate, need: Capacity): string {
  if (free.memoryMiB < need.memoryMiB) {
    return `${host} memory ${gib(free.memoryMiB)} of ${gib(capacity.memoryMiB)} GiB free, needs ${gib(need.memoryMiB)}`
  }
  if (free.vcpus < need.vcpus) {
    return `${host} vCPUs ${round(free.vcpus)} of ${round(capacity.vcpus)} free, needs ${need.vcpus}`
  }
  if (fits(free, need)) return `${host} keeps its room for those who wait longer`
  return `${host} disk ${gib(free.diskMiB)} of ${gib(capacity.diskMiB)} GiB free, needs ${gib(need.diskMiB)}`
}

const MIB_PER_GIB = 1024

/** Share of the host that stays free, of the scarcer of memory and vCPUs. */
function leftover({ capacity, free }: Candidate, need: Capacity): number {
  return Math.min(
    (free.memoryMiB - need.memoryMiB) / Math.max(1, capacity.memoryMiB),
    (free.vcpus - need.vcpus) / Math.max(1, capacity.vcpus),
  )
}

const round = (value: number): number => Math.round(value * 10) / 10
const gib = (mib: number): number => round(mib / MIB_PER_GIB)
