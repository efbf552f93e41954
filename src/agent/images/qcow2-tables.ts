/**
 * Follows every table of a qcow2 whose header passed: each cluster of the file is the header, a table or data, belongs
 * to exactly one of them, lies within the file and is counted once. What is left to QEMU is a file in which no entry
 * leads outside, around in a circle or twice to the same place, and whose disk holds no more than the file does.
 *
 * Time and memory are bounded by the file: each table is read once, since a second mention of it is a refusal, and what
 * is remembered is a bit a cluster. Entries: "qcow2: QEMU copy-on-write image format", docs/interop/qcow2.txt.
 */

/** Reads exactly `length` bytes at `offset` of the file; both lie within it. */
export type ReadAt = (offset: number, length: number) => DataView

/** A bit each: 8 MiB of memory. 4 TiB in clusters of 64 KiB. */
const CLUSTERS_MAX = 2 ** 26
const ENTRY_BYTES = 8
/** Tables without end of their own are read in pieces. */
const PIECE_BYTES = 1024 * 1024
/** Room between clusters that a guest gave back; more than what is used means a file that was made to look large. */
const FREE_CLUSTERS_MIN = 1024

/** Why the file is refused; undefined if everything in it is as it should be. Never throws for what a file holds. */
export function tablesReason(read: ReadAt, fileBytes: number): string | undefined {
  try {
    checkTables(read, fileBytes)
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error.message
    throw error
  }
}

class Refusal extends Error {}

function refuseIf(wrong: boolean, reason: string): void {
  if (wrong) throw new Refusal(reason)
}

function checkTables(read: ReadAt, fileBytes: number): void {
  const head = read(0, HEADER_BYTES)
  const clusterBytes = 2 ** head.getUint32(20)
  const map = new ClusterMap(fileBytes, clusterBytes)
  map.take(0, 1, 'its header')
  followFirstTable(read, head, map)
  countReferences(read, head, map)
  const free = map.count - map.taken
  refuseIf(free > map.taken + FREE_CLUSTERS_MIN, 'most of it is room that nothing refers to')
}

const HEADER_BYTES = 104

/** Which clusters of the file something refers to. */
class ClusterMap {
  readonly clusterBytes: number
  readonly count: number
  taken = 0
  readonly #bits: Uint8Array

  constructor(fileBytes: number, clusterBytes: number) {
    this.clusterBytes = clusterBytes
    this.count = Math.ceil(fileBytes / clusterBytes)
    refuseIf(this.count > CLUSTERS_MAX, `it has more than ${CLUSTERS_MAX} clusters`)
    this.#bits = new Uint8Array(Math.ceil(this.count / 8))
  }

  /** `what` begins at `offset`, in clusters that nothing else has. */
  take(offset: number, clusters: number, what: string): void {
    refuseIf(offset % this.clusterBytes !== 0, `${what} does not begin where a cluster does`)
    const first = offset / this.clusterBytes
    refuseIf(first + clusters > this.count, `${what} lies outside the file`)
    for (let at = first; at < first + clusters; at++) {
      refuseIf(this.has(at), `${what} lies where something else does`)
      this.#bits[at >> 3] = (this.#bits[at >> 3] ?? 0) | (1 << (at & 7))
    }
    this.taken += clusters
  }

  has(cluster: number): boolean {
    return ((this.#bits[cluster >> 3] ?? 0) & (1 << (cluster & 7))) !== 0
  }
}

/** Bits 9 to 55. */
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n
/** Bit 63: the cluster is referred to once. */
const COPIED = 1n << 63n
const COMPRESSED = 1n << 62n
/** Bit 0 of an entry of a second table: the cluster reads as zeros. */
const ZERO = 1n

function followFirstTable(read: ReadAt, head: DataView, map: ClusterMap): void {
  const { clusterBytes } = map
  const perTable = clusterBytes / ENTRY_BYTES
  const guestClusters = Math.ceil(Number(head.getBigUint64(24)) / clusterBytes)
  const entries = head.getUint32(36)
  const table = Number(head.getBigUint64(40))
  map.take(table, Math.ceil((entries * ENTRY_BYTES) / clusterBytes), 'its first table')
  for (const { index, entry } of entriesOf(read, table, entries)) {
    if (entry === 0n) continue
    refuseIf((entry & ~(OFFSET_MASK | COPIED)) !== 0n, 'its first table has an entry that means nothing')
    refuseIf(index * perTable >= guestClusters, 'it has data beyond the end of its disk')
    const offset = Number(entry & OFFSET_MASK)
    map.take(offset, 1, 'a second table')
    followSecondTable(read, { offset, entries: Math.min(perTable, guestClusters - index * perTable) }, map)
  }
}

interface SecondTable {
  readonly offset: number
  /** Those for which the disk has a cluster; what comes after them must be empty. */
  readonly entries: number
}

function followSecondTable(read: ReadAt, { offset, entries }: SecondTable, map: ClusterMap): void {
  const all = map.clusterBytes / ENTRY_BYTES
  refuseIf(offset + map.clusterBytes > map.count * map.clusterBytes, 'a second table lies outside the file')
  for (const { index, entry } of entriesOf(read, offset, all)) {
    if (entry === 0n) continue
    refuseIf((entry & COMPRESSED) !== 0n, 'it has compressed clusters')
    refuseIf(
      (entry & ~(OFFSET_MASK | COPIED | ZERO)) !== 0n,
      'a second table has an entry that means nothing',
    )
    refuseIf(index >= entries, 'it has data beyond the end of its disk')
    const data = Number(entry & OFFSET_MASK)
    if (data !== 0) map.take(data, 1, 'a data cluster')
  }
}

/** Each cluster of the file that something refers to is counted once, every other not at all. */
function countReferences(read: ReadAt, head: DataView, map: ClusterMap): void {
  const { clusterBytes } = map
  const table = Number(head.getBigUint64(48))
  const tableClusters = head.getUint32(56)
  const bits = 2 ** head.getUint32(96)
  const perBlock = (clusterBytes * 8) / bits
  map.take(table, tableClusters, 'its reference table')
  const blocks: { readonly offset: number; readonly first: number }[] = []
  for (const { index, entry } of entriesOf(read, table, (tableClusters * clusterBytes) / ENTRY_BYTES)) {
    if (entry === 0n) continue
    refuseIf((entry & 0x1ffn) !== 0n, 'its reference table has an entry that means nothing')
    refuseIf(entry >= BigInt(map.count) * BigInt(clusterBytes), 'a reference block lies outside the file')
    refuseIf(index * perBlock >= map.count + perBlock, 'it counts clusters far beyond its end')
    const offset = Number(entry)
    map.take(offset, 1, 'a reference block')
    blocks.push({ offset, first: index * perBlock })
  }
  let counted = 0
  for (const { offset, first } of blocks) {
    counted += checkBlock(read(offset, clusterBytes), { first, bits, map })
  }
  refuseIf(counted !== map.taken, 'it has clusters that are not counted')
}

interface Block {
  /** The cluster that its first number counts. */
  readonly first: number
  readonly bits: number
  readonly map: ClusterMap
}

/** How many clusters the block counts. */
function checkBlock(view: DataView, { first, bits, map }: Block): number {
  let counted = 0
  const numbers = (view.byteLength * 8) / bits
  for (let index = 0; index < numbers; index++) {
    const number = numberAt(view, index, bits)
    if (number === 0n) continue
    refuseIf(number !== 1n, 'a cluster is referred to more than once')
    refuseIf(first + index >= map.count, 'it counts a cluster beyond its end')
    refuseIf(!map.has(first + index), 'it counts a cluster that nothing refers to')
    counted += 1
  }
  return counted
}

/** Numbers of less than a byte fill each byte from its lowest bit on. */
function numberAt(view: DataView, index: number, bits: number): bigint {
  switch (bits) {
    case 64:
      return view.getBigUint64(index * 8)
    case 32:
      return BigInt(view.getUint32(index * 4))
    case 16:
      return BigInt(view.getUint16(index * 2))
    default: {
      const at = index * bits
      return BigInt((view.getUint8(at >> 3) >> (at & 7)) & (2 ** bits - 1))
    }
  }
}

interface Entry {
  readonly index: number
  readonly entry: bigint
}

function* entriesOf(read: ReadAt, offset: number, count: number): Generator<Entry> {
  for (let done = 0; done < count; ) {
    const here = Math.min(count - done, PIECE_BYTES / ENTRY_BYTES)
    const view = read(offset + done * ENTRY_BYTES, here * ENTRY_BYTES)
    for (let at = 0; at < here; at++) yield { index: done + at, entry: view.getBigUint64(at * ENTRY_BYTES) }
    done += here
  }
}
