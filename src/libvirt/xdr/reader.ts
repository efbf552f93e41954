import { LibvirtProtocolError } from '../error.ts'

/** Takes XDR items off a buffer; never reads past its end. */
export class XdrReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  get remaining(): number {
    return this.#buffer.length - this.#at
  }

  #take(size: number): number {
    if (size > this.remaining) {
      throw new LibvirtProtocolError(
        'XDR_TRUNCATED',
        `item of ${size} bytes at offset ${this.#at}, ${this.remaining} bytes left`,
      )
    }
    const at = this.#at
    this.#at += size
    return at
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#take(4))
  }

  i32(): number {
    return this.#buffer.readInt32BE(this.#take(4))
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64BE(this.#take(8))
  }

  i64(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8))
  }

  f64(): number {
    return this.#buffer.readDoubleBE(this.#take(8))
  }

  /** A view of `size` bytes; the zeroes after it, up to a multiple of four, are checked and skipped. */
  padded(size: number): Buffer {
    const at = this.#take(Math.ceil(size / 4) * 4)
    for (let i = at + size; i < this.#at; i++) {
      if (this.#buffer[i] !== 0)
        throw new LibvirtProtocolError('XDR_PADDING', `padding at offset ${i} is not zero`)
    }
    return this.#buffer.subarray(at, at + size)
  }

  /** All that is left, as a view: payload of a stream packet, which is not XDR. */
  rest(): Buffer {
    return this.#buffer.subarray(this.#take(this.remaining))
  }

  /** The last item was read: anything left means that both sides disagree about the type. */
  end(): void {
    if (this.remaining > 0) {
      throw new LibvirtProtocolError('XDR_TRAILING', `${this.remaining} bytes after the last item`)
    }
  }
}
