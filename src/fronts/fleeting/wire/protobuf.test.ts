import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as messages from './messages.ts'
import {
  bytes,
  choice,
  flag,
  int64,
  message,
  nested,
  ProtobufError,
  text,
  texts,
  uint32,
} from './protobuf.ts'

const inner = message({ name: text(1), at: int64(2) })
const all = message({
  text: text(1),
  flag: flag(2),
  number: uint32(3),
  big: int64(4),
  bytes: bytes(5),
  texts: texts(6),
  inner: nested(7, inner),
  choice: choice(16, ['first', 'second', 'third']),
})

const anyInner = fc.record({ name: fc.string(), at: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) })
const anyAll = fc.record({
  text: fc.string({ unit: 'grapheme' }),
  flag: fc.boolean(),
  number: fc.nat(0xffff_ffff),
  big: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  bytes: fc.uint8Array().map((array) => Buffer.from(array)),
  texts: fc.array(fc.string()),
  inner: fc.option(anyInner, { nil: undefined }),
  choice: fc.constantFrom('first' as const, 'second' as const, 'third' as const),
})

describe('a message', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(anyAll, (value) => {
        expect(all.decode(all.encode(value))).toEqual(value)
      }),
    )
  })

  test('that is cut off anywhere is refused or is a message, and nothing else happens', () => {
    fc.assert(
      fc.property(anyAll, fc.double({ min: 0, max: 1, noNaN: true }), (value, part) => {
        const whole = all.encode(value)
        orRefused(() => all.decode(whole.subarray(0, Math.floor(part * whole.length))))
      }),
    )
  })

  test('of any bytes is refused or read', () => {
    fc.assert(fc.property(fc.uint8Array(), (array) => orRefused(() => all.decode(Buffer.from(array)))))
  })

  test('has nothing on the wire for what is zero, and zero for what is not on the wire', () => {
    const zero = all.decode(Buffer.alloc(0))
    expect(all.encode(zero)).toHaveLength(0)
    expect(zero).toMatchObject({ text: '', flag: false, number: 0, big: 0n, texts: [], choice: 'first' })
    expect(zero.inner).toBeUndefined()
  })

  test('with fields we do not know is read without them', () => {
    const newer = message({ text: text(1), later: int64(9), more: bytes(200) })
    const older = message({ text: text(1) })
    const sent = newer.encode({ text: 'x', later: 5n, more: Buffer.from('y') })
    expect(older.decode(sent)).toEqual({ text: 'x' })
    // Fixed-width fields, 64 and 32 bits, of numbers 30 and 31.
    const fixed = Buffer.from('f10101020304050607080afd0101020304', 'hex')
    expect(() => older.decode(fixed)).toThrow(ProtobufError)
    expect(older.decode(Buffer.from('f1010102030405060708fd01010203040a0178', 'hex'))).toEqual({ text: 'x' })
  })

  test('whose scalar comes twice has the last one, and whose message comes in parts has all of it', () => {
    expect(message({ a: text(1) }).decode(Buffer.from('0a01780a0179', 'hex'))).toEqual({ a: 'y' })
    const parts = Buffer.concat([
      all.encode({ ...all.decode(Buffer.alloc(0)), inner: { name: 'n', at: 0n } }),
      all.encode({ ...all.decode(Buffer.alloc(0)), inner: { name: '', at: 7n } }),
    ])
    expect(all.decode(parts).inner).toEqual({ name: 'n', at: 7n })
  })

  test.each([
    ['0a', 'cut off'],
    ['0a05616263', 'announced'],
    ['0b', 'wire type 3'],
    ['00', 'no field number'],
    ['0aff'.padEnd(24, 'f'), 'more than 10 bytes'],
    ['0a01ff', 'not UTF-8'],
    ['0801', 'a number stands where bytes belong'],
    ['1a00', 'bytes stand where a number belongs'],
  ])('of bytes %s is refused: %s', (hex, says) => {
    expect(() => all.decode(Buffer.from(hex, 'hex'))).toThrow(says)
  })
})

test('requests and answers are laid out as the .proto file of the library says', () => {
  expect(messages.increaseRequest.decode(Buffer.from('0803', 'hex'))).toEqual({ n: 3 })
  expect(messages.decreaseRequest.encode({ instances: ['a', 'b'] }).toString('hex')).toBe('0a01610a0162')
  expect(messages.updateResponse.encode({ instance: 'i', state: 'running' }).toString('hex')).toBe(
    '0a01691001',
  )
  expect(messages.updateResponse.encode({ instance: 'i', state: 'creating' }).toString('hex')).toBe('0a0169')
})

function orRefused(task: () => unknown): void {
  try {
    task()
  } catch (error) {
    expect(error).toBeInstanceOf(ProtobufError)
  }
}
