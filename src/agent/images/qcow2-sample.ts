/** Smallest flat qcow2 files for tests, as `qemu-img` lays them out, whole down to the last reference count. */
const CLUSTER_BYTES = 65_536
/** Bit 63 of an entry: its cluster is referred to once. */
const COPIED = 1n << 63n

export const FLAT_BYTES = 4 * CLUSTER_BYTES

/** Header, reference table and block, first table: an empty disk of 64 MiB. `mark` stands in its last bytes, so that two may differ. */
export function flatQcow2(mark = 0): Uint8Array<ArrayBuffer> {
  const { bytes, view } = emptyQcow2(4)
  view.setUint32(FLAT_BYTES - 4, mark)
  return bytes
}

/** Where what lies in `dataQcow2`. */
export const DATA = {
  clusterBytes: CLUSTER_BYTES,
  bytes: 7 * CLUSTER_BYTES,
  referenceTable: CLUSTER_BYTES,
  referenceBlock: 2 * CLUSTER_BYTES,
  firstTable: 3 * CLUSTER_BYTES,
  secondTable: 4 * CLUSTER_BYTES,
  clusters: [5 * CLUSTER_BYTES, 6 * CLUSTER_BYTES],
} as const

/** As above, with a second table and two clusters of data: of the disk's first 64 KiB and its last. */
export function dataQcow2(): Uint8Array<ArrayBuffer> {
  const { bytes, view } = emptyQcow2(7)
  view.setBigUint64(DATA.firstTable, BigInt(DATA.secondTable) | COPIED)
  view.setBigUint64(DATA.secondTable, BigInt(DATA.clusters[0]) | COPIED)
  view.setBigUint64(DATA.secondTable + 1023 * 8, BigInt(DATA.clusters[1]) | COPIED)
  bytes.fill(0xaa, DATA.clusters[0])
  return bytes
}

function emptyQcow2(clusters: number): { readonly bytes: Uint8Array<ArrayBuffer>; readonly view: DataView } {
  const bytes = new Uint8Array(clusters * CLUSTER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x51_46_49_fb)
  view.setUint32(4, 3)
  view.setUint32(20, 16)
  view.setBigUint64(24, 64n * 1024n ** 2n)
  view.setUint32(36, 1)
  view.setBigUint64(40, BigInt(DATA.firstTable))
  view.setBigUint64(48, BigInt(DATA.referenceTable))
  view.setUint32(56, 1)
  view.setUint32(96, 4)
  view.setUint32(100, 104)
  // The table of feature names, empty, and the end of the extensions.
  view.setUint32(104, 0x68_03_f8_57)
  view.setBigUint64(DATA.referenceTable, BigInt(DATA.referenceBlock))
  for (let cluster = 0; cluster < clusters; cluster++) view.setUint16(DATA.referenceBlock + cluster * 2, 1)
  return { bytes, view }
}
