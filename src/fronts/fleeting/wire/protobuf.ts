/**
 * Protocol Buffers (proto3) as values: a message is a table of fields, its type follows from the table. Only what the
 * plugin protocol uses: varints and length-delimited fields. Fields we do not know are skipped, as the format wants.
 */

/** A field on the wire: a varint, or bytes. */
type Raw = bigint | Buffer

export interface Field<T> {
  readonly number: number
  /** Of all that came under its number, in order; nothing came for an absent field. */
  readonly read: (raw: readonly Raw[]) => T
  readonly write: (value: T) => readonly Raw[]
}

export interface Codec<T> {
  readonly encode: (value: T) => Buffer
  /** Throws `ProtobufError` for bytes that are no message. */
  readonly decode: (bytes: Buffer) => T
}

type Infer<F> = F extends Field<infer T> ? T : never

export class ProtobufError extends Error {
  override readonly name = 'ProtobufError'
}

/** A message of these fields, written in the order of the table. */
export function message<const F extends Readonly<Record<string, unknown>>>(
  table: F,
): Codec<{ readonly [K in keyof F]: Infer<F[K]> }> {
  const fields = Object.entries(table as Readonly<Record<string, Field<unknown>>>)
  return {
    encode: (value) =>
      Buffer.concat(
        fields.flatMap(([name, { number, write }]) =>
          write(value[name]).flatMap((raw) => writeField(number, raw)),
        ),
      ),
    decode(bytes) {
      const raw = readFields(bytes)
      const entries = fields.map(([name, { number, read }]) => [name, read(raw.get(number) ?? [])])
      return Object.fromEntries(entries)
    },
  }
}

/** A scalar: the last one that came counts, and the type's zero is not written. */
function scalar<T>(
  number: number,
  zero: T,
  { read, write }: { readonly read: (raw: Raw) => T; readonly write: (value: T) => Raw },
): Field<T> {
  return {
    number,
    read: (raw) => {
      const last = raw.at(-1)
      return last === undefined ? zero : read(last)
    },
    write: (value) => (value === zero ? [] : [write(value)]),
  }
}

export const text = (number: number): Field<string> =>
  scalar(number, '', { read: (raw) => utf8(asBytes(raw)), write: (value) => Buffer.from(value) })

export const flag = (number: number): Field<boolean> =>
  scalar(number, false, { read: (raw) => asVarint(raw) !== 0n, write: () => 1n })

export const uint32 = (number: number): Field<number> =>
  scalar(number, 0, { read: (raw) => Number(BigInt.asUintN(32, asVarint(raw))), write: BigInt })

/** A name of a number on the wire; one we do not know reads as the first, as an absent one does. */
export const choice = <const Names extends readonly [string, ...string[]]>(
  number: number,
  names: Names,
): Field<Names[number]> =>
  scalar<Names[number]>(number, names[0], {
    read: (raw) => names[Number(asVarint(raw))] ?? names[0],
    write: (value) => BigInt(names.indexOf(value)),
  })

export const int64 = (number: number): Field<bigint> =>
  scalar(number, 0n, {
    read: (raw) => BigInt.asIntN(64, asVarint(raw)),
    write: (value) => BigInt.asUintN(64, value),
  })

export const bytes = (number: number): Field<Buffer> => ({
  number,
  read: (raw) => asBytes(raw.at(-1) ?? Buffer.alloc(0)),
  write: (value) => (value.length === 0 ? [] : [value]),
})

export const texts = (number: number): Field<readonly string[]> => ({
  number,
  read: (raw) => raw.map((each) => utf8(asBytes(each))),
  write: (value) => value.map((each) => Buffer.from(each)),
})

/** A message in a message; absent is `undefined`. */
export const nested = <T>(number: number, codec: Codec<T>): Field<T | undefined> => ({
  number,
  // Several parts of one message are one message (proto3, "last one wins" per field).
  read: (raw) => (raw.length === 0 ? undefined : codec.decode(Buffer.concat(raw.map(asBytes)))),
  write: (value) => (value === undefined ? [] : [codec.encode(value)]),
})

const VARINT = 0
const FIXED64 = 1
const DELIMITED = 2
const FIXED32 = 5
const VARINT_BYTES_MAX = 10
const FIELD_NUMBER_MAX = 0x1fff_ffff

function readFields(bytes: Buffer): ReadonlyMap<number, readonly Raw[]> {
  const fields = new Map<number, Raw[]>()
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at)
    const number = Number(tag.value >> 3n)
    if (number < 1 || number > FIELD_NUMBER_MAX) throw new ProtobufError(`${number} is no field number`)
    const { raw, end } = readRaw(bytes, tag.end, Number(tag.value & 7n))
    at = end
    if (raw === undefined) continue
    const known = fields.get(number)
    if (known === undefined) fields.set(number, [raw])
    else known.push(raw)
  }
  return fields
}

function readRaw(bytes: Buffer, at: number, type: number): { readonly raw?: Raw; readonly end: number } {
  if (type === VARINT) {
    const { value, end } = readVarint(bytes, at)
    return { raw: value, end }
  }
  if (type === FIXED64 || type === FIXED32) return { end: within(bytes, at, type === FIXED64 ? 8 : 4) }
  if (type !== DELIMITED) throw new ProtobufError(`wire type ${type} is not understood`)
  const length = readVarint(bytes, at)
  const end = within(bytes, length.end, Number(length.value))
  return { raw: bytes.subarray(length.end, end), end }
}

function within(bytes: Buffer, at: number, length: number): number {
  if (length > bytes.length - at)
    throw new ProtobufError(`${length} bytes are announced, ${bytes.length - at} left`)
  return at + length
}

function readVarint(bytes: Buffer, at: number): { readonly value: bigint; readonly end: number } {
  let value = 0n
  for (let index = 0; index < VARINT_BYTES_MAX; index += 1) {
    const byte = bytes[at + index]
    if (byte === undefined) throw new ProtobufError('a number is cut off')
    value |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: at + index + 1 }
  }
  throw new ProtobufError(`a number has more than ${VARINT_BYTES_MAX} bytes`)
}

function writeField(number: number, raw: Raw): readonly Buffer[] {
  if (typeof raw === 'bigint') return [varint(BigInt(number * 8 + VARINT)), varint(raw)]
  return [varint(BigInt(number * 8 + DELIMITED)), varint(BigInt(raw.length)), raw]
}

function varint(value: bigint): Buffer {
  const out: number[] = []
  let rest = value
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...out, Number(rest)])
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function utf8(raw: Buffer): string {
  try {
    return decoder.decode(raw)
  } catch {
    throw new ProtobufError('a text is not UTF-8')
  }
}

function asBytes(raw: Raw): Buffer {
  if (typeof raw === 'bigint') throw new ProtobufError('a number stands where bytes belong')
  return raw
}

function asVarint(raw: Raw): bigint {
  if (typeof raw !== 'bigint') throw new ProtobufError('bytes stand where a number belongs')
  return raw
}
