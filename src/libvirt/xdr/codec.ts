import { XdrReader } from './reader.ts'
import { XdrWriter } from './writer.ts'

/**
 * How one type stands on the wire (RFC 4506). Both directions throw `LibvirtProtocolError`:
 * `read` for bytes that are not exactly this type, `write` for values the type cannot carry.
 */
export interface Codec<T> {
  write(writer: XdrWriter, value: T): void
  read(reader: XdrReader): T
}

/** The TypeScript type a codec carries. */
export type Infer<C> = C extends Codec<infer T> ? T : never

/** The whole of `value` and nothing else. */
export function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new XdrWriter()
  codec.write(writer, value)
  return writer.finish()
}

/** One value that takes up all of `bytes`; left-over bytes are refused. */
export function decode<T>(codec: Codec<T>, bytes: Buffer): T {
  return readWhole(codec, new XdrReader(bytes))
}

/** One value that takes up all that is left; left-over bytes are refused. */
export function readWhole<T>(codec: Codec<T>, reader: XdrReader): T {
  const value = codec.read(reader)
  reader.end()
  return value
}
