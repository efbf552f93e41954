import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HEAD_BYTES, inspectQcow2, VIRTUAL_BYTES_MAX } from './qcow2-header.ts'
import { FLAT_BYTES, flatQcow2 } from './qcow2-sample.ts'

const reason = (bytes: Uint8Array, fileBytes = FLAT_BYTES): string | undefined => {
  const inspection = inspectQcow2(bytes, fileBytes)
  return inspection.flat ? undefined : inspection.reason
}

it('lets a flat image in, and says how large its disk is', () => {
  expect(inspectQcow2(flatQcow2(), FLAT_BYTES)).toEqual({ flat: true, virtualBytes: 64 * 1024 ** 2 })
})

describe('refuses', () => {
  const u32 = (at: number, value: number) => (view: DataView) => view.setUint32(at, value)
  const u64 = (at: number, value: bigint) => (view: DataView) => view.setBigUint64(at, value)
  it.each<[string, (view: DataView) => void, string]>([
    ['another format', u32(0, 0x4b444d56), 'it is no qcow2 file'],
    ['version 2', u32(4, 2), 'it is qcow2 version 2, not 3'],
    ['a backing file', u64(8, 0x200n), 'it names a backing file'],
    ['the length of a backing name', u32(16, 9), 'it names a backing file'],
    ['clusters that are too small', u32(20, 8), 'its clusters are of 2^8 bytes'],
    ['clusters that are too large', u32(20, 22), 'its clusters are of 2^22 bytes'],
    ['an empty disk', u64(24, 0n), 'its disk is empty or too large'],
    ['a disk beyond the limit', u64(24, BigInt(VIRTUAL_BYTES_MAX) + 512n), 'its disk is empty or too large'],
    ['half a sector', u64(24, 700n), 'its disk is no whole number of sectors'],
    ['encryption', u32(32, 2), 'it is encrypted'],
    ['a first table too small for the disk', u32(36, 0), 'its first table has a wrong size'],
    ['a first table without end', u32(36, 0xffff_ffff), 'its first table has a wrong size'],
    ['a first table beyond the file', u64(40, 1n << 40n), 'its first table lies outside the file'],
    ['a first table in the header', u64(40, 0n), 'its first table lies outside the file'],
    ['a reference table beyond the file', u64(48, 1n << 62n), 'its reference table lies outside the file'],
    ['a reference table without end', u32(56, 0xffff), 'its reference table has a wrong size'],
    ['snapshots', u32(60, 1), 'it holds snapshots'],
    ['an unclean end', u64(72, 1n), 'it was not closed (dirty bit)'],
    ['corruption', u64(72, 2n), 'it is marked corrupt'],
    ['an external data file', u64(72, 4n), 'it keeps its data in another file'],
    ['a compression type', u64(72, 8n), 'it has a compression type of its own'],
    ['extended tables', u64(72, 16n), 'it has extended second tables'],
    ['an unknown feature', u64(72, 1n << 63n), 'it needs a feature that is not known'],
    ['bitmaps', u64(88, 1n), 'it has bitmaps or a raw external file'],
    ['wide reference counts', u32(96, 7), 'its reference counts are too wide'],
    ['a header without end', u32(100, 0x1000), 'its header has a wrong length'],
    ['a data file name', u32(104, 0x4441_5441), 'it has a header extension 0x44415441'],
    ['extensions without end', u32(108, 0xffff_fff0), 'its header extensions do not end'],
  ])('%s', (_, spoil, expected) => {
    const bytes = flatQcow2()
    spoil(new DataView(bytes.buffer))
    expect(reason(bytes)).toBe(expected)
  })

  it('a file that is cut off anywhere in its header', () => {
    const bytes = flatQcow2()
    for (let length = 0; length < 112; length++) {
      expect(reason(bytes.subarray(0, length), length)).toBeDefined()
    }
  })

  it('a file that is cut off before the end of its tables', () => {
    expect(reason(flatQcow2(), 3 * 65_536 + 7)).toBe('its first table lies outside the file')
  })
})

it('never throws, whatever the bytes, and lets nothing in that names another file', () => {
  const spoilt = fc.tuple(fc.integer({ min: 0, max: 127 }), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(fc.array(spoilt, { maxLength: 12 }), fc.nat(2 ** 40), (changes, fileBytes) => {
      const bytes = flatQcow2()
      for (const [at, value] of changes) bytes[at] = value
      const inspection = inspectQcow2(bytes, fileBytes)
      if (!inspection.flat) return
      const view = new DataView(bytes.buffer)
      expect([view.getBigUint64(8), view.getBigUint64(72), view.getUint32(60), view.getUint32(32)]).toEqual([
        0n,
        0n,
        0,
        0,
      ])
      expect(Number(view.getBigUint64(40))).toBeLessThan(fileBytes)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      expect(inspectQcow2(bytes, bytes.length).flat).toBe(false)
    }),
  )
})

it('reads only the head it asks for', () => {
  expect(HEAD_BYTES).toBeLessThanOrEqual(FLAT_BYTES)
})
