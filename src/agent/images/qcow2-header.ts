/**
 * Looks at the head of a disk file before QEMU does. A qcow2 can name other files of the host (a backing file, an
 * external data file), which QEMU opens with its own rights, or make its reader work without end; so only a flat,
 * whole, plain image is let in. Offsets and bits: "qcow2: QEMU copy-on-write image format", docs/interop/qcow2.txt.
 */

/** What the inspector wants to see of a file: it never needs more. */
export const HEAD_BYTES = 64 * 1024
/** Of the disk that the guest sees. */
export const VIRTUAL_BYTES_MAX = 4 * 1024 ** 4

export type Inspection =
  | { readonly flat: true; readonly virtualBytes: number }
  | { readonly flat: false; readonly reason: string }

/** `head`: the first `HEAD_BYTES` of the file, or all of a shorter one. */
export function inspectQcow2(head: Uint8Array, fileBytes: number): Inspection {
  if (head.length < HEADER_V3_BYTES) return refuse('it is too short for a qcow2 header')
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  if (view.getUint32(0) !== MAGIC) return refuse('it is no qcow2 file')
  if (view.getUint32(4) !== 3) return refuse(`it is qcow2 version ${view.getUint32(4)}, not 3`)
  const reason = layoutReason(view, fileBytes) ?? featureReason(view) ?? extensionReason(view)
  return reason === undefined ? { flat: true, virtualBytes: Number(view.getBigUint64(24)) } : refuse(reason)
}

const MAGIC = 0x51_46_49_fb
const HEADER_V3_BYTES = 104
const SECTOR_BYTES = 512
/** L1 entries of 8 bytes; QEMU's own limit is 32 MiB of them (QCOW_MAX_L1_SIZE). */
const L1_ENTRIES_MAX = (32 * 1024 * 1024) / 8
/** QEMU's own limit (QCOW_MAX_REFTABLE_SIZE). */
const REFCOUNT_TABLE_BYTES_MAX = 8 * 1024 * 1024

function layoutReason(view: DataView, fileBytes: number): string | undefined {
  if (view.getBigUint64(8) !== 0n || view.getUint32(16) !== 0) return 'it names a backing file'
  const clusterBits = view.getUint32(20)
  if (clusterBits < 9 || clusterBits > 21) return `its clusters are of 2^${clusterBits} bytes`
  const clusterBytes = 2 ** clusterBits

  const virtualBytes = view.getBigUint64(24)
  if (virtualBytes === 0n || virtualBytes > BigInt(VIRTUAL_BYTES_MAX)) return 'its disk is empty or too large'
  if (virtualBytes % BigInt(SECTOR_BYTES) !== 0n) return 'its disk is no whole number of sectors'
  if (view.getUint32(32) !== 0) return 'it is encrypted'

  const l1Entries = view.getUint32(36)
  const l1EntriesNeeded = Math.ceil(Number(virtualBytes) / (clusterBytes * (clusterBytes / 8)))
  if (l1Entries < l1EntriesNeeded || l1Entries > L1_ENTRIES_MAX) return 'its first table has a wrong size'
  if (!fits(view.getBigUint64(40), l1Entries * 8, { clusterBytes, fileBytes })) {
    return 'its first table lies outside the file'
  }
  const refcountBytes = view.getUint32(56) * clusterBytes
  if (refcountBytes === 0 || refcountBytes > REFCOUNT_TABLE_BYTES_MAX)
    return 'its reference table has a wrong size'
  if (!fits(view.getBigUint64(48), refcountBytes, { clusterBytes, fileBytes })) {
    return 'its reference table lies outside the file'
  }
  if (view.getUint32(60) !== 0) return 'it holds snapshots'
  return undefined
}

interface Bounds {
  readonly clusterBytes: number
  readonly fileBytes: number
}

/** A table starts at a cluster's start, after the header's, and ends within the file. */
const fits = (offset: bigint, bytes: number, { clusterBytes, fileBytes }: Bounds): boolean =>
  offset >= BigInt(clusterBytes) &&
  offset % BigInt(clusterBytes) === 0n &&
  offset + BigInt(bytes) <= BigInt(fileBytes)

/** Bits 0 to 4 of the incompatible features; whoever reads a file must understand each. */
const FEATURES = [
  'it was not closed (dirty bit)',
  'it is marked corrupt',
  'it keeps its data in another file',
  'it has a compression type of its own',
  'it has extended second tables',
]

function featureReason(view: DataView): string | undefined {
  const features = view.getBigUint64(72)
  if (features !== 0n) {
    const known = FEATURES.find((_, bit) => (features & (1n << BigInt(bit))) !== 0n)
    return known ?? 'it needs a feature that is not known'
  }
  if (view.getBigUint64(88) !== 0n) return 'it has bitmaps or a raw external file'
  if (view.getUint32(96) > 6) return 'its reference counts are too wide'
  const headerBytes = view.getUint32(100)
  return headerBytes < HEADER_V3_BYTES || headerBytes % 8 !== 0 || headerBytes > 512
    ? 'its header has a wrong length'
    : undefined
}

const EXTENSION_END = 0
const EXTENSION_FEATURE_NAMES = 0x68_03_f8_57
const EXTENSIONS_MAX = 16

/** Only the names of features, which QEMU writes into every file, may follow the header. */
function extensionReason(view: DataView): string | undefined {
  let at = view.getUint32(100)
  for (let count = 0; count < EXTENSIONS_MAX; count++) {
    if (at + 8 > view.byteLength) return 'its header extensions do not end'
    const type = view.getUint32(at)
    if (type === EXTENSION_END) return undefined
    if (type !== EXTENSION_FEATURE_NAMES) return `it has a header extension 0x${type.toString(16)}`
    at += 8 + Math.ceil(view.getUint32(at + 4) / 8) * 8
  }
  return 'its header extensions do not end'
}

const refuse = (reason: string): Inspection => ({ flat: false, reason })
