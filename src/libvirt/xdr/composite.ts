import { LibvirtProtocolError } from '../error.ts'
import type { Codec, Infer } from './codec.ts'

/** A decoder must not reserve room on the word of the sender: longer arrays grow as items really arrive. */
const ITEM_BYTES_MIN = 4

/** RFC 4506, 4.19. `undefined` here, absent on the wire. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    write(writer, value) {
      writer.u32(value === undefined ? 0 : 1)
      if (value !== undefined) codec.write(writer, value)
    },
    read(reader) {
      const tag = reader.u32()
      if (tag > 1) throw new LibvirtProtocolError('XDR_TAG', `${tag} says neither absent nor present`)
      return tag === 0 ? undefined : codec.read(reader)
    },
  }
}

/** RFC 4506, 4.13: at most `max` items, none of which may be empty on the wire. */
export function array<T>(codec: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    write(writer, value) {
      if (value.length > max)
        throw new LibvirtProtocolError('XDR_LIMIT', `${value.length} items, at most ${max}`)
      writer.u32(value.length)
      for (const item of value) codec.write(writer, item)
    },
    read(reader) {
      const length = reader.u32()
      if (length > max) throw new LibvirtProtocolError('XDR_LIMIT', `${length} items, at most ${max}`)
      if (length * ITEM_BYTES_MIN > reader.remaining) {
        throw new LibvirtProtocolError(
          'XDR_TRUNCATED',
          `${length} items announced, ${reader.remaining} bytes left`,
        )
      }
      return Array.from({ length }, () => codec.read(reader))
    },
  }
}

/** RFC 4506, 4.12: exactly `length` items, no length on the wire. */
export function fixedArray<T>(codec: Codec<T>, length: number): Codec<readonly T[]> {
  return {
    write(writer, value) {
      if (value.length !== length)
        throw new LibvirtProtocolError('XDR_LIMIT', `${value.length} items, exactly ${length}`)
      for (const item of value) codec.write(writer, item)
    },
    read: (reader) => Array.from({ length }, () => codec.read(reader)),
  }
}

type Fields = Readonly<Record<string, Codec<never>>>
type StructOf<F> = { readonly [K in keyof F]: Infer<F[K]> }

/** RFC 4506, 4.14: the fields in the order in which they are written down. */
export function struct<const F extends Readonly<Record<string, unknown>>>(fields: F): Codec<StructOf<F>> {
  const entries = Object.entries(fields as Fields)
  return {
    write(writer, value) {
      for (const [name, codec] of entries) codec.write(writer, value[name] as never)
    },
    read(reader) {
      const value: Record<string, unknown> = {}
      for (const [name, codec] of entries) value[name] = codec.read(reader)
      return value as StructOf<F>
    },
  }
}

type UnionOf<A> = { readonly [K in keyof A]: { readonly type: K; readonly value: Infer<A[K]> } }[keyof A]

/** RFC 4506, 4.15: an int says which arm follows; there is no default arm, an unknown int is refused. */
export function union<const A extends Readonly<Record<number, unknown>>>(arms: A): Codec<UnionOf<A>> {
  const byTag = new Map(Object.entries(arms).map(([tag, codec]) => [Number(tag), codec as Codec<unknown>]))
  function arm(tag: number): Codec<unknown> {
    const codec = byTag.get(tag)
    if (codec === undefined) throw new LibvirtProtocolError('XDR_TAG', `${tag} selects no arm of the union`)
    return codec
  }
  return {
    write(writer, { type, value }) {
      const codec = arm(Number(type))
      writer.i32(Number(type))
      codec.write(writer, value)
    },
    read(reader) {
      const type = reader.i32()
      return { type, value: arm(type).read(reader) } as UnionOf<A>
    },
  }
}
