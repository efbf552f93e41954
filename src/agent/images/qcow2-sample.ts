/** A smallest flat qcow2 for tests, as `qemu-img create` lays it out: header, tables, an empty disk of 64 MiB. */
const CLUSTER_BYTES = 65_536

export const FLAT_BYTES = 4 * CLUSTER_BYTES

/** `mark` stands in its last bytes, so that two of them may differ. */
export function flatQcow2(mark = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FLAT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x51_46_49_fb)
  view.setUint32(4, 3)
  view.setUint32(20, 16)
  view.setBigUint64(24, 64n * 1024n ** 2n)
  view.setUint32(36, 1)
  view.setBigUint64(40, BigInt(3 * CLUSTER_BYTES))
  view.setBigUint64(48, BigInt(CLUSTER_BYTES))
  view.setUint32(56, 1)
  view.setUint32(96, 4)
  view.setUint32(100, 104)
  // The table of feature names, empty, and the end of the extensions.
  view.setUint32(104, 0x68_03_f8_57)
  view.setUint32(FLAT_BYTES - 4, mark)
  return bytes
}
