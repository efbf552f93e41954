import { checkedLength, LENGTH_BYTES } from './message.ts'

const PARTIAL_BYTES_MIN = 64 * 1024

/**
 * Cuts the byte stream of a socket into frames (without their length word).
 *
 * A frame that lies whole in one chunk is a view of it. One that does not is gathered in a buffer
 * that doubles up to the announced length: each byte is copied a bounded number of times however
 * the chunks fall, and a peer that announces 32 MiB without sending them costs nothing.
 */
export class FrameSplitter {
  /** The unfinished frame, length word included; only the first `#have` bytes count. */
  #partial = Buffer.alloc(0)
  #have = 0;

  /** The frames that `chunk` completes, in order. Throws `LibvirtProtocolError` on an impossible length. */
  *push(chunk: Buffer): Generator<Buffer, void> {
    let at = 0
    while (at < chunk.length) {
      if (this.#have === 0) {
        const frame = wholeFrame(chunk, at)
        if (frame !== undefined) {
          at += LENGTH_BYTES + frame.length
          yield frame
          continue
        }
      }
      at += this.#gather(chunk, at)
      const wanted = this.#wanted()
      if (this.#have === wanted && wanted > LENGTH_BYTES) {
        const frame = this.#partial.subarray(LENGTH_BYTES, wanted)
        this.#partial = Buffer.alloc(0)
        this.#have = 0
        yield frame
      }
    }
  }

  /** How many bytes the unfinished frame has in the end, as far as known. */
  #wanted(): number {
    return this.#have < LENGTH_BYTES ? LENGTH_BYTES : checkedLength(this.#partial.readUInt32BE(0))
  }

  #gather(chunk: Buffer, at: number): number {
    const wanted = this.#wanted()
    const taken = Math.min(wanted - this.#have, chunk.length - at)
    const needed = this.#have + taken
    if (needed > this.#partial.length) {
      const size = Math.min(
        Math.max(needed, this.#partial.length * 2, PARTIAL_BYTES_MIN),
        Math.max(wanted, PARTIAL_BYTES_MIN),
      )
      const grown = Buffer.allocUnsafe(size)
      this.#partial.copy(grown, 0, 0, this.#have)
      this.#partial = grown
    }
    chunk.copy(this.#partial, this.#have, at, at + taken)
    this.#have = needed
    return taken
  }
}

function wholeFrame(chunk: Buffer, at: number): Buffer | undefined {
  if (chunk.length - at < LENGTH_BYTES) return undefined
  const length = checkedLength(chunk.readUInt32BE(at))
  return chunk.length - at < length ? undefined : chunk.subarray(at + LENGTH_BYTES, at + length)
}
