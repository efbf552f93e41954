import { LibvirtProtocolError } from '../error.ts'
import type { Codec } from './codec.ts'

/** RFC 4506, 4.9: exactly `size` bytes, no length on the wire. */
export function fixedOpaque(size: number): Codec<Uint8Array> {
  return {
    write(writer, value) {
      if (value.length !== size) throw overLimit(`opaque[${size}]`, value.length)
      writer.padded(value)
    },
    read: (reader) => Uint8Array.from(reader.padded(size)),
  }
}

/** RFC 4506, 4.10: at most `max` bytes. The value is a copy, so that it does not keep a whole message alive. */
export function opaque(max: number): Codec<Uint8Array> {
  return {
    write(writer, value) {
      if (value.length > max) throw overLimit(`opaque<${max}>`, value.length)
      writer.u32(value.length)
      writer.padded(value)
    },
    read(reader) {
      const length = reader.u32()
      if (length > max) throw overLimit(`opaque<${max}>`, length)
      return Uint8Array.from(reader.padded(length))
    },
  }
}

/**
 * RFC 4506, 4.11: text of at most `max` bytes in UTF-8.
 *
 * Writing refuses what would arrive as something else: a NUL (libvirt's strings are C strings and
 * would end there) and a lone surrogate. Reading is lenient: a guest chooses some of these bytes,
 * so ill-formed UTF-8 becomes U+FFFD and is no reason to give up.
 */
export function string(max: number): Codec<string> {
  return {
    write(writer, value) {
      if (value.includes('\0'))
        throw new LibvirtProtocolError('XDR_VALUE', 'a string with a NUL would arrive cut off')
      if (!value.isWellFormed())
        throw new LibvirtProtocolError('XDR_VALUE', 'a string with a lone surrogate is no UTF-8')
      const bytes = Buffer.from(value, 'utf8')
      if (bytes.length > max) throw overLimit(`string<${max}>`, bytes.length)
      writer.u32(bytes.length)
      writer.padded(bytes)
    },
    read(reader) {
      const length = reader.u32()
      if (length > max) throw overLimit(`string<${max}>`, length)
      return reader.padded(length).toString('utf8')
    },
  }
}

function overLimit(type: string, length: number): LibvirtProtocolError {
  return new LibvirtProtocolError('XDR_LIMIT', `${length} bytes do not fit ${type}`)
}
