import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from './connection.ts'
import { FakeLibvirtd, type Received } from './fake-libvirtd.ts'
import { encodeMessage, type MessageHeader } from './message.ts'
import type { XdrWriter } from './xdr/index.ts'

/** What a broken or lying libvirtd may send: framing errors end the connection, payload errors their call. */
let fake: FakeLibvirtd
let connection: Connection

beforeEach(async () => {
  fake = await FakeLibvirtd.listen()
  connection = await Connection.open({
    socketPath: fake.socketPath,
    uri: 'test:///default',
    on: { lifecycle() {} },
  })
})
afterEach(async () => {
  await connection.close()
  await fake[Symbol.asyncDispose]()
})

function word(value: number, rest = 0): Buffer {
  const bytes = Buffer.alloc(4 + rest)
  bytes.writeUInt32BE(value)
  return bytes
}

function frame(header: MessageHeader, payload: (writer: XdrWriter) => void = () => {}): Buffer {
  return encodeMessage(header, payload)
}

/** The header's words at bytes 4 to 27; type is word 4, status word 6. */
function withWord(bytes: Buffer, index: number, value: number): Buffer {
  bytes.writeUInt32BE(value, index * 4)
  return bytes
}

describe('ends the connection, and the call under way with it', () => {
  const attacks: readonly (readonly [string, string, (call: Received) => Buffer])[] = [
    ['a length of 0', 'FRAME_LENGTH', () => word(0)],
    ['a length of 3', 'FRAME_LENGTH', () => word(3)],
    ['a length that leaves no room for the header', 'FRAME_LENGTH', () => word(27, 23)],
    ['a length of 32 MiB and 5 bytes', 'FRAME_LENGTH', () => word(32 * 1024 * 1024 + 5)],
    ['a length of 2^32 - 1', 'FRAME_LENGTH', () => word(0xffff_ffff)],
    [
      'a reply to no call',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'reply', serial: 99 }),
    ],
    [
      'a reply to serial 0',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'reply', serial: 0 }),
    ],
    [
      'a reply from another of our programs',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'reply', program: 0x20008087 }),
    ],
    [
      'a reply from a program we do not know',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'reply', program: 0x20008088 }),
    ],
    [
      'a reply in another version',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'reply', version: 2 }),
    ],
    [
      'a reply of another procedure',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'reply', procedure: 24 }),
    ],
    [
      'a reply that continues',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'reply', status: 'continue' }),
    ],
    [
      'a reply with file descriptors',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'replyWithFds' }),
    ],
    ['a call', 'MESSAGE_UNEXPECTED', (call) => frame(call.header)],
    ['a type of message that does not exist', 'XDR_TAG', (call) => withWord(frame(call.header), 4, 7)],
    ['a status that does not exist', 'XDR_TAG', (call) => withWord(frame(call.header), 6, 3)],
    [
      'a packet of no stream',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'stream', status: 'continue', serial: 99 }),
    ],
    [
      'an event of a program we do not know',
      'MESSAGE_UNEXPECTED',
      (call) => frame({ ...call.header, type: 'message', program: 1, serial: 0 }),
    ],
    [
      'an event that is cut off',
      'XDR_TRUNCATED',
      (call) =>
        frame({ ...call.header, type: 'message', procedure: 318, serial: 0 }, (writer) => writer.u32(1)),
    ],
  ]

  test.each(attacks)('%s', async (_, code, bytes) => {
    const pending = connection.call('domainLookupByName', { name: 'x' })
    const failed = expect(pending).rejects.toMatchObject({ name: 'LibvirtProtocolError', code })
    fake.raw(bytes(await fake.next(({ name }) => name === 'domainLookupByName')))
    await failed
    await expect(connection.closed).resolves.toMatchObject({ code })
  })

  test('a second reply to the same call', async () => {
    fake.on('connectGetHostname', (call) => {
      fake.reply(call, { hostname: 'a' })
      fake.reply(call, { hostname: 'b' })
    })
    await expect(connection.call('connectGetHostname', {})).resolves.toEqual({ hostname: 'a' })
    await expect(connection.closed).resolves.toMatchObject({ code: 'MESSAGE_UNEXPECTED' })
  })
})

describe('fails the call alone', () => {
  const replies: readonly (readonly [string, string, (writer: XdrWriter) => void])[] = [
    [
      'bytes after the reply',
      'XDR_TRAILING',
      (writer) => {
        writer.u32(0)
        writer.u32(0)
      },
    ],
    ['no reply at all', 'XDR_TRUNCATED', () => {}],
    ['more statistics than the reply has bytes', 'XDR_TRUNCATED', (writer) => writer.u32(16_384)],
    ['more statistics than libvirt allows', 'XDR_LIMIT', (writer) => writer.u32(0xffff_ffff)],
    [
      'a union tag that does not exist',
      'XDR_TAG',
      (writer) => {
        writer.u32(1)
        writer.u32(1)
        writer.padded(Buffer.from('m'))
        writer.raw(Buffer.alloc(16))
        writer.i32(1)
        writer.u32(1)
        writer.u32(1)
        writer.padded(Buffer.from('f'))
        writer.i32(9)
        writer.i32(0)
      },
    ],
    [
      'padding that is not zero',
      'XDR_PADDING',
      (writer) => {
        writer.u32(1)
        writer.u32(1)
        writer.raw(Buffer.from('mxxx'))
        writer.raw(Buffer.alloc(24))
      },
    ],
    [
      'a string of more than 4 MiB',
      'XDR_LIMIT',
      (writer) => {
        writer.u32(1)
        writer.u32(4 * 1024 * 1024 + 1)
      },
    ],
  ]

  test.each(replies)('%s', async (_, code, payload) => {
    fake.on('connectGetAllDomainStats', (call) => fake.send({ ...call.header, type: 'reply' }, payload))
    const call = connection.call('connectGetAllDomainStats', { doms: [], stats: 0, flags: 0 })
    await expect(call).rejects.toMatchObject({ name: 'LibvirtProtocolError', code })
    await expectAlive()
  })

  test('an error reply that is none', async () => {
    fake.on('domainLookupByName', (call) =>
      fake.send({ ...call.header, type: 'reply', status: 'error' }, (writer) => writer.u32(42)),
    )
    const call = connection.call('domainLookupByName', { name: 'x' })
    await expect(call).rejects.toMatchObject({ name: 'LibvirtProtocolError', code: 'XDR_TRUNCATED' })
    await expectAlive()
  })
})

describe('is passed over', () => {
  test('an event nobody asked for', async () => {
    fake.send(
      { program: 0x20008086, version: 1, procedure: 999, type: 'message', serial: 0, status: 'ok' },
      (writer) => writer.u32(1),
    )
    await expectAlive()
  })

  test('a thousand pings: each is answered', async () => {
    for (let i = 0; i < 1_000; i++) fake.event('keepalivePing', {})
    const pongs = () => fake.received.filter(({ name }) => name === 'keepalivePong')
    await fake.next(() => pongs().length === 1_000)
    await expectAlive()
    expect(pongs()).toHaveLength(1_000)
  })
})

async function expectAlive(): Promise<void> {
  fake.on('connectGetHostname', (call) => fake.reply(call, { hostname: 'alive' }))
  await expect(connection.call('connectGetHostname', {})).resolves.toEqual({ hostname: 'alive' })
}
