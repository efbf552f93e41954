import { LibvirtProtocolError } from '../error.ts'
import type { Codec } from './codec.ts'

const U32_MAX = 0xffff_ffff
const I32_MIN = -0x8000_0000
const I32_MAX = 0x7fff_ffff
const U64_MAX = 2n ** 64n - 1n
const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n

function refuse(type: string, value: unknown): never {
  throw new LibvirtProtocolError('XDR_VALUE', `${String(value)} is no ${type}`)
}

/** RFC 4506, 4.2. */
export const u32: Codec<number> = {
  write(writer, value) {
    if (!Number.isInteger(value) || value < 0 || value > U32_MAX) refuse('unsigned int', value)
    writer.u32(value)
  },
  read: (reader) => reader.u32(),
}

/** RFC 4506, 4.1. */
export const i32: Codec<number> = {
  write(writer, value) {
    if (!Number.isInteger(value) || value < I32_MIN || value > I32_MAX) refuse('int', value)
    writer.i32(value)
  },
  read: (reader) => reader.i32(),
}

/** RFC 4506, 4.5: unsigned hyper. */
export const u64: Codec<bigint> = {
  write(writer, value) {
    if (value < 0n || value > U64_MAX) refuse('unsigned hyper', value)
    writer.u64(value)
  },
  read: (reader) => reader.u64(),
}

/** RFC 4506, 4.5: hyper. */
export const i64: Codec<bigint> = {
  write(writer, value) {
    if (value < I64_MIN || value > I64_MAX) refuse('hyper', value)
    writer.i64(value)
  },
  read: (reader) => reader.i64(),
}

/** RFC 4506, 4.7: double. */
export const f64: Codec<number> = {
  write: (writer, value) => writer.f64(value),
  read: (reader) => reader.f64(),
}

/** RFC 4506, 4.4: nothing but 0 and 1. */
export const bool: Codec<boolean> = {
  write: (writer, value) => writer.u32(value ? 1 : 0),
  read(reader) {
    const tag = reader.u32()
    if (tag > 1) throw new LibvirtProtocolError('XDR_TAG', `${tag} is no bool`)
    return tag === 1
  },
}

/** RFC 4506, 4.3: an int out of a closed list, under our own names. */
export function enumeration<const Members extends Readonly<Record<string, number>>>(
  members: Members,
): Codec<keyof Members & string> {
  const names = new Map<number, keyof Members & string>(
    Object.entries(members).map(([name, value]) => [value, name]),
  )
  return {
    write(writer, value) {
      const number = members[value]
      if (number === undefined) refuse('member of the enumeration', value)
      writer.i32(number)
    },
    read(reader) {
      const number = reader.i32()
      const name = names.get(number)
      if (name === undefined) throw new LibvirtProtocolError('XDR_TAG', `${number} is not in the enumeration`)
      return name
    },
  }
}
