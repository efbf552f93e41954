import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from './connection.ts'
import { openConsole } from './console.ts'
import { FakeLibvirtd, type Received } from './fake-libvirtd.ts'

const machine = { name: 'm1', uuid: '6695eb01-f6a4-8304-79aa-97f2502e193f', id: 1 }
let fake: FakeLibvirtd
let connection: Connection

beforeEach(async () => {
  fake = await FakeLibvirtd.listen()
  fake.on('domainOpenConsole', (call) => fake.reply(call, {}))
  connection = await Connection.open({ socketPath: fake.socketPath, uri: 'test:///default' })
})
afterEach(async () => {
  await connection.close()
  await fake[Symbol.asyncDispose]()
})

function opened(): Promise<Received> {
  return fake.next(({ name, header }) => name === 'domainOpenConsole' && header.type === 'call')
}

function packet(status: string): Promise<Received> {
  return fake.next(({ header }) => header.type === 'stream' && header.status === status)
}

/** Answers once everything sent before has been handled on both sides. */
async function settled(): Promise<void> {
  fake.on('connectGetHostname', (call) => fake.reply(call, { hostname: 'h' }))
  await connection.call('connectGetHostname', {})
}

describe('a console', () => {
  test('carries bytes both ways', async () => {
    const console = await openConsole(connection, machine, { device: 'serial0' })
    const call = await opened()
    expect(call.args).toEqual({ dom: machine, device: 'serial0', flags: 0 })
    console.write('input')
    expect(await packet('continue')).toMatchObject({
      header: { serial: call.header.serial, procedure: 201 },
      data: Buffer.from('input'),
    })
    fake.packet(call, 'continue', 'output')
    expect(String((await once(console, 'data'))[0])).toBe('output')
    console.destroy()
  })

  test('keeps what overtakes the reply to its call', async () => {
    fake.on('domainOpenConsole', (call) => {
      fake.packet(call, 'continue', 'early ')
      fake.reply(call, {})
      fake.packet(call, 'continue', 'late')
      fake.packet(call, 'continue')
    })
    const console = await openConsole(connection, machine)
    const read = text(console)
    fake.packet(await packet('ok'), 'ok')
    expect(await read).toBe('early late')
  })

  test('sends large input in packets libvirt accepts, in order', async () => {
    const console = await openConsole(connection, machine)
    const input = Buffer.from(Array.from({ length: 600_000 }, (_, i) => i % 251))
    await new Promise((resolve) => console.write(input, resolve))
    await settled()
    const packets = fake.received.filter(({ header }) => header.type === 'stream').map(({ data }) => data)
    expect(packets.map(({ length }) => length)).toEqual([262_120, 262_120, 75_760])
    expect(Buffer.concat(packets)).toEqual(input)
    console.destroy()
  })

  test('ended here asks libvirtd to finish, and is closed when that is confirmed', async () => {
    const console = await openConsole(connection, machine)
    console.resume().end('bye')
    const finish = await packet('ok')
    expect(console.closed).toBe(false)
    fake.packet(finish, 'ok')
    await once(console, 'close')
    expect(console.errored).toBeNull()
    expect(fake.received.some(({ header }) => header.status === 'error')).toBe(false)
  })

  test('ended by the guest is finished by itself', async () => {
    const console = await openConsole(connection, machine)
    const read = text(console)
    fake.packet(await opened(), 'continue', 'last words')
    fake.packet(await opened(), 'continue')
    fake.packet(await packet('ok'), 'ok')
    expect(await read).toBe('last words')
  })

  test('destroyed here is aborted at libvirtd, and what still comes is dropped', async () => {
    const console = await openConsole(connection, machine)
    console.destroy()
    const abort = await packet('error')
    expect(abort.data).toHaveLength(0)
    fake.packet(abort, 'continue', 'still under way')
    fake.packet(abort, 'ok')
    fake.packet(abort, 'continue', 'even later')
    await settled()
  })

  test("refused by libvirtd fails with libvirt's error", async () => {
    fake.on('domainOpenConsole', (call) =>
      fake.refuse(call, 9, 'Active console session exists for this domain'),
    )
    await expect(openConsole(connection, machine)).rejects.toMatchObject({ name: 'LibvirtError', code: 9 })
    await settled()
    expect(fake.received.some(({ header }) => header.type === 'stream')).toBe(false)
  })

  test("broken by libvirtd is destroyed with libvirt's error", async () => {
    const console = await openConsole(connection, machine)
    const failed = once(console, 'error')
    fake.refuse(
      { ...(await opened()), header: { ...(await opened()).header, type: 'stream' } },
      38,
      'I/O error',
    )
    expect((await failed)[0]).toMatchObject({ name: 'LibvirtError', code: 38 })
    await settled()
    expect(fake.received.some(({ header }) => header.status === 'error')).toBe(false)
  })

  test('that breaks before its opener got hold of it tells whoever reads it, and nobody else', async () => {
    fake.on('domainOpenConsole', (call) => {
      fake.reply(call, {})
      fake.refuse({ ...call, header: { ...call.header, type: 'stream' } }, 38, 'I/O error')
    })
    const console = await openConsole(connection, machine)
    await settled()
    await expect(text(console)).rejects.toMatchObject({ name: 'LibvirtError', code: 38 })
  })

  test('whose opening was answered with nonsense is aborted', async () => {
    fake.on('domainOpenConsole', (call) =>
      fake.send({ ...call.header, type: 'reply' }, (writer) => writer.u32(1)),
    )
    await expect(openConsole(connection, machine)).rejects.toMatchObject({ code: 'XDR_TRAILING' })
    fake.packet(await packet('error'), 'ok')
    await settled()
  })

  test('is destroyed with the connection', async () => {
    const console = await openConsole(connection, machine)
    const failed = once(console, 'error')
    await fake.die()
    expect((await failed)[0]).toMatchObject({ code: 'CONNECTION_LOST' })
  })

  test('is given up by its signal at any time', async () => {
    const giveUp = new AbortController()
    const console = await openConsole(connection, machine, { signal: giveUp.signal })
    const failed = once(console, 'error')
    giveUp.abort(new Error('enough'))
    expect((await failed)[0]).toMatchObject({ name: 'AbortError', cause: { message: 'enough' } })
    await packet('error')
  })

  test('given up before libvirtd opened it is aborted once it has', async () => {
    fake.on('domainOpenConsole', () => {})
    const giveUp = new AbortController()
    const opening = openConsole(connection, machine, { signal: giveUp.signal })
    const call = await opened()
    giveUp.abort(new Error('enough'))
    await expect(opening).rejects.toThrow('enough')
    await settled()
    expect(fake.received.some(({ header }) => header.type === 'stream')).toBe(false)
    fake.reply(call, {})
    const abort = await packet('error')
    expect(abort.header.serial).toBe(call.header.serial)
    fake.packet(abort, 'ok')
    await settled()
  })

  test('given up before its turn never reaches libvirtd', async () => {
    await using narrow = await Connection.open({
      socketPath: fake.socketPath,
      uri: 'test:///default',
      inFlightMax: 1,
    })
    narrow.call('domainLookupByName', { name: 'blocks' }).catch(() => {})
    const giveUp = new AbortController()
    const opening = openConsole(narrow, machine, { signal: giveUp.signal })
    giveUp.abort(new Error('enough'))
    await expect(opening).rejects.toThrow('enough')
    fake.reply(await fake.next(({ name }) => name === 'domainLookupByName'), { dom: machine })
    fake.on('connectGetHostname', (call) => fake.reply(call, { hostname: 'h' }))
    await narrow.call('connectGetHostname', {})
    expect(fake.received.some(({ name }) => name === 'domainOpenConsole')).toBe(false)
  })
})

describe('a console refuses', () => {
  test('a hole, with STREAM_HOLE', async () => {
    const console = await openConsole(connection, machine)
    const failed = once(console, 'error')
    const call = await opened()
    fake.send({ ...call.header, type: 'streamHole', status: 'continue' }, (writer) => {
      writer.i64(1n)
      writer.u32(0)
    })
    expect((await failed)[0]).toMatchObject({ code: 'STREAM_HOLE' })
    await packet('error')
  })

  test('a confirmation of an end nobody asked for', async () => {
    const console = await openConsole(connection, machine)
    const failed = once(console, 'error')
    fake.packet(await opened(), 'ok')
    expect((await failed)[0]).toMatchObject({ code: 'MESSAGE_UNEXPECTED' })
  })

  test('a packet of another procedure, and with it the connection', async () => {
    const console = await openConsole(connection, machine)
    const { header } = await opened()
    fake.send({ ...header, type: 'stream', status: 'continue', procedure: 14 }, (writer) => writer.u32(1))
    await expect(connection.closed).resolves.toMatchObject({ code: 'MESSAGE_UNEXPECTED' })
    expect(console.errored).toMatchObject({ code: 'MESSAGE_UNEXPECTED' })
  })

  test('to hold more than 4 MiB for a reader that does not read, with STREAM_OVERFLOW', async () => {
    const console = await openConsole(connection, machine)
    const failed = once(console, 'error')
    const call = await opened()
    for (let i = 0; i < 17; i++) fake.packet(call, 'continue', 'x'.repeat(256 * 1024))
    expect((await failed)[0]).toMatchObject({ code: 'STREAM_OVERFLOW' })
    await packet('error')
    await settled()
  })

  test('data after the end of file', async () => {
    const console = await openConsole(connection, machine)
    const failed = once(console, 'error')
    const call = await opened()
    fake.packet(call, 'continue')
    fake.packet(call, 'continue', 'more')
    expect((await failed)[0]).toBeInstanceOf(Error)
    await settled()
  })
})
