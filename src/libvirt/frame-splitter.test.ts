import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { FrameSplitter } from './frame-splitter.ts'
import { encodeMessage } from './message.ts'

const MIB = 1024 * 1024
const header = { program: 1, version: 1, procedure: 1, type: 'reply', serial: 1, status: 'ok' } as const

function frame(payload: Uint8Array): Buffer {
  return encodeMessage(header, (writer) => writer.raw(payload))
}

function split(chunks: readonly Buffer[]): Buffer[] {
  const splitter = new FrameSplitter()
  return chunks.flatMap((chunk) => [...splitter.push(chunk)])
}

const frames = [
  frame(new Uint8Array()),
  frame(Uint8Array.of(1, 2, 3, 4)),
  frame(new Uint8Array(100).fill(7)),
  frame(Uint8Array.of(9)),
]
const stream = Buffer.concat(frames)
const bodies = frames.map((whole) => whole.subarray(4))

describe('frames come out the same', () => {
  test('whichever byte the input is split at', () => {
    for (let at = 0; at <= stream.length; at++) {
      expect(split([stream.subarray(0, at), stream.subarray(at)])).toEqual(bodies)
    }
  })

  test('byte by byte', () => {
    expect(split([...stream].map((byte) => Buffer.of(byte)))).toEqual(bodies)
  })

  test('for any frames cut into any chunks', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
    const cuts = fc.array(fc.nat(400), { maxLength: 40 })
    fc.assert(
      fc.property(payloads, cuts, (contents, sizes) => {
        const whole = contents.map(frame)
        let rest: Buffer = Buffer.concat(whole)
        const chunks = sizes.map((size) => {
          const chunk = rest.subarray(0, size)
          rest = rest.subarray(size)
          return chunk
        })
        expect(split([...chunks, rest])).toEqual(whole.map((one) => one.subarray(4)))
      }),
    )
  })
})

test('a frame stays as it was when the next chunk arrives', () => {
  const splitter = new FrameSplitter()
  const [first] = [...splitter.push(stream.subarray(0, 30))]
  const copy = Buffer.from(first ?? [])
  for (const _ of splitter.push(stream.subarray(30))) expect(first).toEqual(copy)
})

describe('an impossible length is refused', () => {
  test.each([0, 3, 4, 27, 32 * MIB + 5, 0x7fff_ffff, 0xffff_ffff])('%d', (length) => {
    const bytes = Buffer.alloc(64)
    bytes.writeUInt32BE(length)
    const refused = expect.objectContaining({ code: 'FRAME_LENGTH' })
    expect(() => split([bytes])).toThrow(refused)
    expect(() => split([...bytes].map((byte) => Buffer.of(byte)))).toThrow(refused)
  })

  test('after the frames before it were given out', () => {
    const splitter = new FrameSplitter()
    const given: Buffer[] = []
    expect(() => {
      for (const one of splitter.push(Buffer.concat([stream, Buffer.alloc(4)]))) given.push(one)
    }).toThrow(expect.objectContaining({ code: 'FRAME_LENGTH' }))
    expect(given).toEqual(bodies)
  })

  test('the smallest and the largest possible are not', () => {
    expect(split([frame(new Uint8Array())])).toHaveLength(1)
    const largest = frame(new Uint8Array(32 * MIB - 24))
    expect(largest.length).toBe(32 * MIB + 4)
    expect(split([largest])).toHaveLength(1)
  })
})

test('a large frame in small chunks is copied a bounded number of times', () => {
  const allocated = vi.spyOn(Buffer, 'allocUnsafe')
  const large = frame(new Uint8Array(8 * MIB))
  allocated.mockClear()
  const chunks = Array.from({ length: Math.ceil(large.length / 1000) }, (_, i) =>
    large.subarray(i * 1000, (i + 1) * 1000),
  )
  expect(split(chunks)[0]?.equals(large.subarray(4))).toBe(true)
  const bytes = allocated.mock.calls.reduce((sum, [size]) => sum + size, 0)
  allocated.mockRestore()
  expect(bytes).toBeLessThan(4 * large.length)
})

test('announcing 32 MiB reserves no 32 MiB', () => {
  const allocated = vi.spyOn(Buffer, 'allocUnsafe')
  const bytes = Buffer.alloc(1000)
  bytes.writeUInt32BE(32 * MIB)
  split([bytes])
  const sizes = allocated.mock.calls.map(([size]) => size)
  allocated.mockRestore()
  expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024)
})
