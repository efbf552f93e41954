import type { Capacity, TemplateShape } from '../../model/index.ts'

type Size = Pick<TemplateShape, 'vcpus' | 'memoryMiB' | 'diskGiB'>

/** A machine's emulator beside its memory, as placement counts it. */
const OVERHEAD_MIB = 256
const MIB_PER_GIB = 1024

/** What machines of these sizes leave of the host. */
export const roomLeft = (capacity: Capacity, taken: readonly Size[]): Capacity =>
  taken.reduce<Capacity>(
    (left, { vcpus, memoryMiB, diskGiB }) => ({
      vcpus: left.vcpus - vcpus,
      memoryMiB: left.memoryMiB - memoryMiB - OVERHEAD_MIB,
      diskMiB: left.diskMiB - diskGiB * MIB_PER_GIB,
    }),
    capacity,
  )

/** Whether one more of this size has room. */
export const fits = (size: Size, room: Capacity): boolean => {
  const { vcpus, memoryMiB, diskMiB } = roomLeft(room, [size])
  return Math.min(vcpus, memoryMiB, diskMiB) >= 0
}
