const INITIAL_BYTES = 256

/** Appends XDR items to a buffer that doubles, so that a message of any size is copied O(1) times per byte. */
export class XdrWriter {
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES)
  #length = 0

  /** Index at which `size` fresh bytes may be written. */
  #claim(size: number): number {
    const at = this.#length
    const needed = at + size
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
      this.#buffer.copy(grown, 0, 0, at)
      this.#buffer = grown
    }
    this.#length = needed
    return at
  }

  u32(value: number): void {
    const at = this.#claim(4)
    this.#buffer.writeUInt32BE(value, at)
  }

  i32(value: number): void {
    const at = this.#claim(4)
    this.#buffer.writeInt32BE(value, at)
  }

  u64(value: bigint): void {
    const at = this.#claim(8)
    this.#buffer.writeBigUInt64BE(value, at)
  }

  i64(value: bigint): void {
    const at = this.#claim(8)
    this.#buffer.writeBigInt64BE(value, at)
  }

  f64(value: number): void {
    const at = this.#claim(8)
    this.#buffer.writeDoubleBE(value, at)
  }

  /** Bytes as they are, then zeroes up to the next multiple of four (RFC 4506, 4.9). */
  padded(bytes: Uint8Array): void {
    const at = this.#claim(Math.ceil(bytes.length / 4) * 4)
    this.#buffer.set(bytes, at)
    this.#buffer.fill(0, at + bytes.length, this.#length)
  }

  /** Bytes as they are: payload of a stream packet, which is not XDR. */
  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length)
    this.#buffer.set(bytes, at)
  }

  /** Everything written. The writer is spent: writing on would change these bytes. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }
}
