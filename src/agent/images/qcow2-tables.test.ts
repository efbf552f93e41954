import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inspectQcow2 } from './qcow2-header.ts'
import { DATA, dataQcow2, flatQcow2 } from './qcow2-sample.ts'
import { type ReadAt, tablesReason } from './qcow2-tables.ts'

/** Fails, as a real file does, on what lies outside. */
const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) => {
    const buffer = new Uint8Array(length)
    buffer.set(bytes.subarray(offset, offset + length))
    return new DataView(buffer.buffer)
  }
const reason = (bytes: Uint8Array): string | undefined => tablesReason(readerOf(bytes), bytes.length)

const u64 = (at: number, value: bigint) => (view: DataView) => view.setBigUint64(at, value)
const u16 = (at: number, value: number) => (view: DataView) => view.setUint16(at, value)
const COPIED = 1n << 63n
const [first, second] = DATA.clusters
const entry = (index: number): number => DATA.secondTable + index * 8
const count = (cluster: number): number => DATA.referenceBlock + cluster * 2

it('finds nothing in files that are whole', () => {
  expect([reason(flatQcow2()), reason(dataQcow2())]).toEqual([undefined, undefined])
})

describe('refuses', () => {
  it.each<[string, (view: DataView) => void, string]>([
    ['a circle', u64(entry(0), BigInt(DATA.secondTable)), 'a data cluster lies where something else does'],
    [
      'data in the header',
      u64(DATA.firstTable, 0n | COPIED),
      'a second table lies where something else does',
    ],
    ['two of one', u64(entry(1), BigInt(first) | COPIED), 'a data cluster lies where something else does'],
    [
      'data in the first table',
      u64(entry(1), BigInt(DATA.firstTable)),
      'a data cluster lies where something else does',
    ],
    ['data beyond the file', u64(entry(0), 1n << 40n), 'a data cluster lies outside the file'],
    [
      'data at half a cluster',
      u64(entry(0), BigInt(first + 512)),
      'a data cluster does not begin where a cluster does',
    ],
    ['compressed data', u64(entry(0), BigInt(first) | (1n << 62n)), 'it has compressed clusters'],
    [
      'an entry of another meaning',
      u64(entry(0), BigInt(first) | 2n),
      'a second table has an entry that means nothing',
    ],
    ['a table beyond the file', u64(DATA.firstTable, 1n << 50n), 'a second table lies outside the file'],
    [
      'a table of another meaning',
      u64(DATA.firstTable, BigInt(DATA.secondTable) | 1n),
      'its first table has an entry that means nothing',
    ],
    [
      'more disk than it says',
      (view) => view.setBigUint64(24, 32n * 1024n ** 2n),
      'it has data beyond the end of its disk',
    ],
    [
      'more tables than its disk has',
      (view) => {
        view.setUint32(36, 2)
        view.setBigUint64(DATA.firstTable + 8, BigInt(first))
      },
      'it has data beyond the end of its disk',
    ],
    ['a cluster counted twice', u16(count(5), 2), 'a cluster is referred to more than once'],
    ['a cluster not counted', u16(count(5), 0), 'it has clusters that are not counted'],
    ['a header not counted', u16(count(0), 0), 'it has clusters that are not counted'],
    [
      'a count of nothing',
      (view) => {
        view.setBigUint64(entry(1023), 0n)
      },
      'it counts a cluster that nothing refers to',
    ],
    ['a count beyond the end', u16(count(7), 1), 'it counts a cluster beyond its end'],
    [
      'a block beyond the file',
      u64(DATA.referenceTable, 1n << 40n),
      'a reference block lies outside the file',
    ],
    [
      'a block of another meaning',
      u64(DATA.referenceTable, BigInt(DATA.referenceBlock) | 1n),
      'its reference table has an entry that means nothing',
    ],
    ['a block in the header', u64(DATA.referenceTable, 0n), 'it has clusters that are not counted'],
    [
      'a block that is data',
      u64(DATA.referenceTable, BigInt(second)),
      'a reference block lies where something else does',
    ],
    [
      'a block far beyond the end',
      u64(DATA.referenceTable + 80, BigInt(second)),
      'it counts clusters far beyond its end',
    ],
  ])('%s', (_, spoil, expected) => {
    const bytes = dataQcow2()
    spoil(new DataView(bytes.buffer))
    expect(reason(bytes)).toBe(expected)
  })

  it('a file cut off anywhere after its header', () => {
    const whole = dataQcow2()
    for (let clusters = 1; clusters < 6; clusters++) {
      expect(reason(whole.subarray(0, clusters * DATA.clusterBytes + 7))).toBeDefined()
    }
  })

  it('a file that is mostly room that nothing refers to', () => {
    const bytes = new Uint8Array(2000 * DATA.clusterBytes)
    bytes.set(dataQcow2())
    expect(reason(bytes)).toBe('most of it is room that nothing refers to')
  })

  it('more clusters than it would remember', () => {
    const read = readerOf(dataQcow2())
    expect(tablesReason(read, 2 ** 43)).toBe(`it has more than ${2 ** 26} clusters`)
  })
})

it('reads each place of a file at most once, whatever stands in it, and never throws', () => {
  const places = [DATA.referenceTable, DATA.referenceBlock, DATA.firstTable, DATA.secondTable]
  const spoilt = fc.record({
    at: fc.oneof(
      fc.tuple(fc.constantFrom(...places), fc.nat(64)).map(([place, offset]) => place + offset),
      fc.integer({ min: 20, max: 104 }),
    ),
    value: fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 0x80, 0xff), fc.nat(255)),
  })
  fc.assert(
    fc.property(fc.array(spoilt, { maxLength: 8 }), (changes) => {
      const bytes = dataQcow2()
      for (const { at, value } of changes) bytes[at] = value
      if (!inspectQcow2(bytes, bytes.length).flat) return
      let read = 0
      const counting: ReadAt = (offset, length) => {
        read += length
        return readerOf(bytes)(offset, length)
      }
      tablesReason(counting, bytes.length)
      expect(read).toBeLessThanOrEqual(bytes.length + 104)
    }),
    { numRuns: 2_000 },
  )
})
