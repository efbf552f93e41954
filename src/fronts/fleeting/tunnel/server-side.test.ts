/**
 * Bytes of real servers (`recorded/`: the public key, then all that the server said in one connection, in base64), and
 * exchanges built here packet by packet, as no honest server would send them.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PinnedKey, parseHostKey } from '../../../guest/index.ts'
import { SlipwayError } from '../../../model/index.ts'
import { ServerSide } from './server-side.ts'

const keyLine = (fill: number): string => `ssh-ed25519 ${blob(fill).toString('base64')}`
const blob = (fill: number): Buffer => Buffer.concat([text('ssh-ed25519'), text(Buffer.alloc(32, fill))])

function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function packet(payload: Buffer, padding = 4 + ((8 - ((payload.length + 9) % 8)) % 8)): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(payload.length + padding + 1)
  head.writeUInt8(padding, 4)
  return Buffer.concat([head, payload, Buffer.alloc(padding)])
}

const message = (type: number, ...parts: readonly Buffer[]): Buffer =>
  packet(Buffer.concat([Buffer.from([type]), ...parts]))

const IDENT = Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian\r\n')
const KEXINIT = message(20, Buffer.alloc(300, 7))
const reply = (fill: number): Buffer =>
  message(31, text(blob(fill)), text(Buffer.alloc(32, 8)), text(Buffer.alloc(83, 9)))
const NEWKEYS = message(21)
/** Looks like a packet of another key: after NEWKEYS nobody may care. */
const ENCRYPTED = Buffer.concat([Buffer.from([255, 255, 255, 255]), reply(2)])
const HONEST = [IDENT, KEXINIT, reply(1), NEWKEYS, ENCRYPTED]

const pin = (line: string): PinnedKey => {
  const pinned = parseHostKey(line)
  if (pinned === undefined) throw new Error(`no key: ${line}`)
  return pinned
}
const judge = (pinned = pin(keyLine(1))): ServerSide => new ServerSide({ pinned, machine: 'm' })

/** What goes on of `chunks`, and the code that ends it. */
function fed(
  side: ServerSide,
  chunks: readonly Buffer[],
): { readonly through: Buffer; readonly code?: string } {
  const through: Buffer[] = []
  for (const chunk of chunks) {
    try {
      through.push(side.take(chunk))
    } catch (error) {
      if (!(error instanceof SlipwayError)) throw error
      return { through: Buffer.concat(through), code: error.code }
    }
  }
  return { through: Buffer.concat(through) }
}

const bytewise = (bytes: Buffer): readonly Buffer[] => [...bytes].map((byte) => Buffer.from([byte]))

describe('a server that shows the pinned key', () => {
  test('is let through whole, wherever its bytes are cut', () => {
    const whole = Buffer.concat(HONEST)
    for (let at = 0; at <= whole.length; at += 1) {
      const side = judge()
      expect(fed(side, [whole.subarray(0, at), whole.subarray(at)])).toEqual({ through: whole })
      expect(side.passed).toBe(true)
    }
    expect(fed(judge(), bytewise(whole))).toEqual({ through: whole })
  })

  test.each(['openssh', 'dropbear'])('is let through as %s says it, byte by byte', (server) => {
    const [line = '', ...lines] = readFileSync(
      join(import.meta.dirname, `recorded/${server}.txt`),
      'utf8',
    ).split('\n')
    const said = Buffer.from(lines.join(''), 'base64')
    const side = judge(pin(line))
    expect(fed(side, bytewise(said))).toEqual({ through: said })
    expect(side.passed).toBe(true)
    expect(fed(judge(), [said])).toMatchObject({ code: 'host_key_mismatch' })
  })

  test.each([
    ['a plain line end', [Buffer.from('SSH-2.0-dropbear\n'), KEXINIT, reply(1), NEWKEYS]],
    ['the longest line', [Buffer.from(`SSH-2.0-${'x'.repeat(245)}\r\n`), KEXINIT, reply(1), NEWKEYS]],
    ['notices between', [IDENT, message(2), KEXINIT, message(4), reply(1), message(3), NEWKEYS]],
    [
      'the largest packet',
      [IDENT, packet(Buffer.concat([Buffer.from([20]), Buffer.alloc(34_982)]), 12), reply(1), NEWKEYS],
    ],
    [
      'the large reply of a hybrid method',
      [
        IDENT,
        KEXINIT,
        message(31, text(blob(1)), text(Buffer.alloc(1_120)), text(Buffer.alloc(83))),
        NEWKEYS,
      ],
    ],
  ])('is let through with %s', (_, packets) => {
    const side = judge()
    expect(fed(side, packets)).toEqual({ through: Buffer.concat(packets) })
    expect(side.passed).toBe(true)
  })

  test('is held back where its packets are not whole', () => {
    const side = judge()
    expect(side.take(IDENT.subarray(0, 9))).toHaveLength(0)
    expect(side.take(Buffer.concat([IDENT.subarray(9), KEXINIT, reply(1).subarray(0, -1)]))).toEqual(
      Buffer.concat([IDENT, KEXINIT]),
    )
    expect(side.passed).toBe(false)
  })
})

describe('a server that shows another key', () => {
  const other = [IDENT, KEXINIT, reply(2), NEWKEYS, ENCRYPTED]

  test('is refused before its reply or anything behind it goes on, wherever its bytes are cut', () => {
    const whole = Buffer.concat(other)
    const before = Buffer.concat([IDENT, KEXINIT])
    for (let at = 0; at <= whole.length; at += 1) {
      const side = judge()
      const { through, code } = fed(side, [whole.subarray(0, at), whole.subarray(at)])
      expect(code).toBe('host_key_mismatch')
      expect(before.subarray(0, through.length)).toEqual(through)
      expect(side.passed).toBe(false)
    }
  })

  test('would be let through by a judge that does not compare', () => {
    const careless = judge({ algorithms: [], matches: () => true })
    expect(fed(careless, other)).toEqual({ through: Buffer.concat(other) })
  })

  test('is told from one that cuts the pinned one off, or goes on behind it', () => {
    for (const shown of [blob(1).subarray(0, -1), Buffer.concat([blob(1), Buffer.alloc(1)]), Buffer.alloc(0)])
      expect(fed(judge(), [IDENT, KEXINIT, message(31, text(shown))]).code).toBe('host_key_mismatch')
  })
})

describe('what is no key exchange of the known order is refused:', () => {
  const length = (value: number): Buffer => {
    const bytes = Buffer.alloc(21, 1)
    bytes.writeUInt32BE(value)
    return bytes
  }
  test.each<[string, readonly Buffer[]]>([
    ['a line before the identification', [Buffer.from('hello\r\n'), ...HONEST]],
    ['an old protocol', [Buffer.from('SSH-1.99-x\r\n')]],
    ['no software named', [Buffer.from('SSH-2.0-\r\n')]],
    ['a return within the line', [Buffer.from('SSH-2.0-a\rSSH-2.0-b\r\n')]],
    ['a zero within the line', [Buffer.from('SSH-2.0-a\0b\r\n')]],
    ['a line too long', [Buffer.from(`SSH-2.0-${'x'.repeat(246)}\r\n`)]],
    ['a line without end', [Buffer.from('SSH-2.0-'), Buffer.alloc(247, 'x')]],
    ['a length of 0', [IDENT, length(0)]],
    ['a length of 1', [IDENT, length(1)]],
    ['a length of 2^32 - 1', [IDENT, length(0xff_ff_ff_ff)]],
    ['a length above the limit', [IDENT, length(35_004)]],
    ['a length of no whole blocks', [IDENT, length(13)]],
    ['a padding beyond the packet', [IDENT, packet(Buffer.from([20]), 10).fill(255, 4, 5)]],
    ['a padding that leaves no message', [IDENT, packet(Buffer.alloc(0), 11)]],
    ['a padding too short', [IDENT, packet(Buffer.concat([Buffer.from([20]), Buffer.alloc(7)]), 3)]],
    ['a reply without KEXINIT', [IDENT, reply(1)]],
    ['NEWKEYS at once', [IDENT, NEWKEYS]],
    ['NEWKEYS without a reply', [IDENT, KEXINIT, NEWKEYS]],
    ['two KEXINIT', [IDENT, KEXINIT, KEXINIT]],
    ['a KEXINIT behind the reply', [IDENT, KEXINIT, reply(1), KEXINIT]],
    ['a second reply', [IDENT, KEXINIT, reply(1), reply(1)]],
    ['a second reply with another key', [IDENT, KEXINIT, reply(1), reply(2)]],
    ['a group exchange', [IDENT, KEXINIT, reply(1), message(33, text(blob(2)))]],
    ['a reply that ends in its key', [IDENT, KEXINIT, message(31, text(blob(1)).subarray(0, -1))]],
    ['a reply without a key', [IDENT, KEXINIT, message(31)]],
    ['a key of 2^32 - 1 bytes', [IDENT, KEXINIT, message(31, Buffer.alloc(4, 255), blob(1))]],
    ...[0, 5, 6, 7, 30, 32, 34, 49, 50, 52, 60, 94, 192, 255].map((type): [string, readonly Buffer[]] => [
      `message ${type}`,
      [IDENT, KEXINIT, message(type), NEWKEYS],
    ]),
  ])('%s', (_, packets) => {
    const harmless = Buffer.concat(packets.slice(0, -1)).length
    for (const chunks of [packets, bytewise(Buffer.concat(packets))]) {
      const side = judge()
      const { through, code } = fed(side, chunks)
      expect(code).toBe('ssh_failed')
      expect(through.length).toBeLessThanOrEqual(harmless)
      expect(side.passed).toBe(false)
    }
  })
})

describe('whatever a server says', () => {
  const parts = fc.array(
    fc.oneof(
      fc.constantFrom(
        IDENT,
        KEXINIT,
        NEWKEYS,
        reply(1),
        reply(2),
        message(2),
        message(33, text(blob(1))),
        ENCRYPTED,
      ),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 8 },
  )
  const cut = (bytes: Buffer, at: readonly number[]): readonly Buffer[] => {
    const ends = [...new Set(at.map((share) => Math.floor(share * bytes.length)))].toSorted((a, b) => a - b)
    return [0, ...ends].map((start, index) => bytes.subarray(start, ends[index] ?? bytes.length))
  }
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 10 })

  test('what goes on is what it said, up to where it was refused, however it was cut', () => {
    fc.assert(
      fc.property(parts, cuts, (said, at) => {
        const whole = Buffer.concat([IDENT, KEXINIT, ...said])
        const [one, other] = [fed(judge(), [whole]), fed(judge(), cut(whole, at))]
        expect(other.code).toBe(one.code)
        expect(whole.subarray(0, other.through.length).equals(other.through)).toBe(true)
      }),
    )
  })

  test('it passes only by KEXINIT, one reply of the pinned key, NEWKEYS, and notices between', () => {
    fc.assert(
      fc.property(parts, (said) => {
        const side = judge()
        fed(side, [IDENT, ...said])
        const heard = said.filter((part) => part.length > 0 && !part.equals(message(2)))
        const [first, second, third] = heard
        const honest = first?.equals(KEXINIT) && second?.equals(reply(1)) && third?.equals(NEWKEYS)
        expect(side.passed).toBe(honest === true)
      }),
    )
  })
})
