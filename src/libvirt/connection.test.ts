import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Connection } from './connection.ts'
import { domains } from './domains.ts'
import { ErrorNumber } from './error-number.ts'
import { type Answer, FakeLibvirtd } from './fake-libvirtd.ts'

const uri = 'test:///default'
const machine = { name: 'm1', uuid: '6695eb01-f6a4-8304-79aa-97f2502e193f', id: 1 }
let fake: FakeLibvirtd

beforeEach(async () => {
  fake = await FakeLibvirtd.listen()
})
afterEach(() => fake[Symbol.asyncDispose]())

function open(options: Partial<Parameters<typeof Connection.open>[0]> = {}): Promise<Connection> {
  return Connection.open({ socketPath: fake.socketPath, uri, ...options })
}

describe('opening', () => {
  test('asks for authentication, keepalive, the URI and the events listened to, in this order', async () => {
    await using connection = await open({ on: { lifecycle() {}, agentLifecycle() {} } })
    expect(connection).toBeInstanceOf(Connection)
    expect(fake.received.map(({ name, args }) => [name, args])).toEqual([
      ['authList', {}],
      ['connectSupportsFeature', { feature: 10 }],
      ['connectOpen', { name: uri, flags: 0 }],
      ['connectDomainEventCallbackRegisterAny', { eventId: 0, dom: undefined }],
      ['connectDomainEventCallbackRegisterAny', { eventId: 18, dom: undefined }],
    ])
  })

  test('fails with CONNECT_FAILED where nobody listens', async () => {
    await expect(open({ socketPath: '/nonexistent/sock' })).rejects.toMatchObject({ code: 'CONNECT_FAILED' })
  })

  test('fails with CONNECT_FAILED for a path too long for a socket', async () => {
    await expect(open({ socketPath: `/${'x'.repeat(300)}` })).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
    })
  })

  test('fails with AUTH_UNSUPPORTED if libvirtd wants more than a socket', async () => {
    fake.on('authList', (call) => fake.reply(call, { types: [1, 2] }))
    await expect(open()).rejects.toMatchObject({ code: 'AUTH_UNSUPPORTED' })
  })

  test("fails with libvirt's error for a URI it refuses", async () => {
    fake.on('connectOpen', (call) =>
      fake.refuse(call, ErrorNumber.NO_CONNECT, 'no connection driver available'),
    )
    await expect(open()).rejects.toMatchObject({ name: 'LibvirtError', code: 5, codeName: 'NO_CONNECT' })
  })

  test('fails with CONNECT_TIMEOUT if libvirtd accepts and says nothing', async () => {
    fake.on('authList', () => {})
    await expect(open({ openTimeoutMs: 5 })).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' })
  })

  test('fails with the reason of its signal, before or while opening', async () => {
    const reason = new Error('changed my mind')
    await expect(open({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const giveUp = new AbortController()
    fake.on('authList', () => giveUp.abort(reason))
    await expect(open({ signal: giveUp.signal })).rejects.toBe(reason)
  })

  test('leaves an open connection alone when its signal is aborted later', async () => {
    const later = new AbortController()
    await using connection = await open({ signal: later.signal })
    later.abort()
    fake.on('connectGetHostname', (call) => fake.reply(call, { hostname: 'h' }))
    await expect(connection.call('connectGetHostname', {})).resolves.toEqual({ hostname: 'h' })
  })
})

describe('calls', () => {
  test('are answered in any order, each with its own reply', async () => {
    const waiting: Parameters<Answer>[0][] = []
    fake.on('domainLookupByName', (call) => {
      waiting.push(call)
      if (waiting.length < 4) return
      for (const one of waiting.reverse())
        fake.reply(one, { dom: { ...machine, name: (one.args as { name: string }).name } })
    })
    await using connection = await open()
    const names = ['a', 'b', 'c', 'd']
    const found = await Promise.all(names.map((name) => domains(connection).lookupByName(name)))
    expect(found.map(({ name }) => name)).toEqual(names)
  })

  test('beyond the limit in flight wait for their turn, in order', async () => {
    await using connection = await open({ inFlightMax: 2 })
    const calls = ['a', 'b', 'c'].map((name) => connection.call('domainLookupByName', { name }))
    const first = await fake.next(({ args }) => JSON.stringify(args) === '{"name":"b"}')
    expect(fake.received.filter(({ name }) => name === 'domainLookupByName')).toHaveLength(2)
    fake.reply(first, { dom: machine })
    const third = await fake.next(({ args }) => JSON.stringify(args) === '{"name":"c"}')
    fake.reply(third, { dom: machine })
    await expect(calls[1]).resolves.toEqual({ dom: machine })
    await expect(calls[2]).resolves.toEqual({ dom: machine })
    calls[0]?.catch(() => {})
  })

  test("carry libvirt's error number, domain, level, message and the procedure", async () => {
    fake.on('domainLookupByName', (call) => fake.refuse(call, ErrorNumber.NO_DOMAIN, 'Domain not found'))
    await using connection = await open()
    await expect(domains(connection).lookupByName('x')).rejects.toMatchObject({
      name: 'LibvirtError',
      code: 42,
      codeName: 'NO_DOMAIN',
      domain: 10,
      level: 2,
      message: 'Domain not found',
      procedure: 'domainLookupByName',
    })
  })

  test('fail before anything is sent if an argument cannot be carried', async () => {
    await using connection = await open()
    const before = fake.received.length
    await expect(connection.call('domainLookupByName', { name: 'a\0b' })).rejects.toMatchObject({
      code: 'XDR_VALUE',
    })
    await expect(
      connection.call('domainLookupByName', { name: 'x'.repeat(4 * 1024 * 1024 + 1) }),
    ).rejects.toMatchObject({
      code: 'XDR_LIMIT',
    })
    expect(fake.received).toHaveLength(before)
  })

  test('may be as large as libvirt carries', async () => {
    fake.on('domainDefineXmlFlags', (call) => fake.reply(call, { dom: machine }))
    await using connection = await open()
    await expect(domains(connection).defineXml('x'.repeat(4 * 1024 * 1024))).resolves.toEqual(machine)
  })

  test('that are given up reject with the reason, and their late reply is dropped', async () => {
    await using connection = await open()
    const giveUp = new AbortController()
    const call = connection.call('domainLookupByName', { name: 'slow' }, { signal: giveUp.signal })
    const sent = await fake.next(({ name }) => name === 'domainLookupByName')
    giveUp.abort(new Error('enough'))
    await expect(call).rejects.toThrow('enough')
    fake.reply(sent, { dom: machine })
    fake.on('connectGetHostname', (next) => fake.reply(next, { hostname: 'still here' }))
    await expect(connection.call('connectGetHostname', {})).resolves.toEqual({ hostname: 'still here' })
  })

  test('that are given up still take up their place in flight until libvirtd answers', async () => {
    await using connection = await open({ inFlightMax: 1 })
    const first = connection.call('domainLookupByName', { name: 'slow' }, { timeoutMs: 1 })
    await expect(first).rejects.toMatchObject({ code: 'CALL_TIMEOUT' })
    const second = connection.call('domainLookupByName', { name: 'next' })
    // The answer to a ping leaves after anything that was sent before.
    fake.event('keepalivePing', {})
    await fake.next(({ name }) => name === 'keepalivePong')
    expect(fake.received.map(({ args }) => args)).not.toContainEqual({ name: 'next' })
    fake.reply(await fake.next(({ name }) => name === 'domainLookupByName'), { dom: machine })
    fake.reply(await fake.next(({ args }) => JSON.stringify(args) === '{"name":"next"}'), { dom: machine })
    await expect(second).resolves.toEqual({ dom: machine })
  })

  test('that are given up before their turn never reach libvirtd', async () => {
    await using connection = await open({ inFlightMax: 1 })
    const first = connection.call('domainLookupByName', { name: 'first' })
    const giveUp = new AbortController()
    const second = connection.call('domainLookupByName', { name: 'second' }, { signal: giveUp.signal })
    const third = connection.call('domainLookupByName', { name: 'third' })
    giveUp.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
    fake.reply(await fake.next(({ name }) => name === 'domainLookupByName'), { dom: machine })
    await first
    fake.reply(await fake.next(({ args }) => JSON.stringify(args) === '{"name":"third"}'), { dom: machine })
    await third
    expect(fake.received.map(({ args }) => args)).not.toContainEqual({ name: 'second' })
  })

  test('with a signal that is aborted already are not made', async () => {
    await using connection = await open()
    const before = fake.received.length
    const call = connection.call('connectGetHostname', {}, { signal: AbortSignal.abort(new Error('no')) })
    await expect(call).rejects.toThrow('no')
    expect(fake.received).toHaveLength(before)
  })

  test('that pile up beyond 4096 fail with QUEUE_FULL', async () => {
    await using connection = await open({ inFlightMax: 1 })
    const calls = Array.from({ length: 4_098 }, () => connection.call('connectGetHostname', {}))
    const refused = expect(calls.at(-1)).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    for (const call of calls) call.catch(() => {})
    await refused
  })

  test('leave no listener on their signal behind', async () => {
    fake.on('connectGetHostname', (call) => fake.reply(call, { hostname: 'h' }))
    await using connection = await open()
    const { signal } = new AbortController()
    const removed = vi.spyOn(signal, 'removeEventListener')
    await connection.call('connectGetHostname', {}, { signal })
    expect(removed).toHaveBeenCalledOnce()
  })
})

describe('the end', () => {
  test('of libvirtd fails what is under way with CONNECTION_LOST and what follows with NOT_CONNECTED', async () => {
    const connection = await open({ inFlightMax: 1 })
    const sent = connection.call('domainLookupByName', { name: 'sent' })
    const queued = connection.call('domainLookupByName', { name: 'queued' })
    const both = Promise.allSettled([sent, queued])
    await fake.next(({ name }) => name === 'domainLookupByName')
    await fake.die()
    await expect(connection.closed).resolves.toMatchObject({ code: 'CONNECTION_LOST' })
    for (const outcome of await both) expect(outcome).toMatchObject({ reason: { code: 'CONNECTION_LOST' } })
    await expect(connection.call('connectGetHostname', {})).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
  })

  test('by close tells libvirtd and fails what is under way with CONNECTION_CLOSED', async () => {
    const connection = await open()
    const pending = connection.call('domainLookupByName', { name: 'x' })
    const failed = expect(pending).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    await connection.close()
    await failed
    expect(fake.received.at(-1)?.name).toBe('connectClose')
    await expect(connection.closed).resolves.toMatchObject({ code: 'CONNECTION_CLOSED' })
    await connection.close()
  })
})

describe('keepalive', () => {
  test('a ping from libvirtd is answered', async () => {
    await using _ = await open()
    fake.event('keepalivePing', {})
    await expect(fake.next(({ name }) => name === 'keepalivePong')).resolves.toMatchObject({
      header: { serial: 0, type: 'message', status: 'ok', version: 1 },
    })
  })

  test('a silent libvirtd is pinged and, while it answers, kept', async () => {
    await using connection = await open({ keepAlive: { intervalMs: 1, count: 50 } })
    for (let pings = 0; pings < 3; pings++) {
      await fake.next(({ name }) => name === 'keepalivePing')
      fake.received.length = 0
    }
    fake.on('connectGetHostname', (call) => fake.reply(call, { hostname: 'h' }))
    await expect(connection.call('connectGetHostname', {})).resolves.toEqual({ hostname: 'h' })
  })

  test('one that answers no pings is given up with KEEPALIVE_TIMEOUT', async () => {
    fake.on('keepalivePing', () => {})
    const connection = await open({ keepAlive: { intervalMs: 1, count: 2 } })
    const pending = connection.call('domainLookupByName', { name: 'x' })
    await expect(pending).rejects.toMatchObject({ code: 'KEEPALIVE_TIMEOUT' })
    await expect(connection.closed).resolves.toMatchObject({ code: 'KEEPALIVE_TIMEOUT' })
  })

  test('a libvirtd that knows no keepalive is not pinged', async () => {
    fake.on('connectSupportsFeature', (call) => fake.reply(call, { supported: 0 }))
    fake.on('keepalivePing', () => {})
    await using connection = await open({ keepAlive: { intervalMs: 1, count: 0 } })
    fake.on('connectGetHostname', (call) => setTimeout(() => fake.reply(call, { hostname: 'h' }), 20))
    await expect(connection.call('connectGetHostname', {})).resolves.toEqual({ hostname: 'h' })
    expect(fake.received.map(({ name }) => name)).not.toContain('keepalivePing')
  })
})

describe('events', () => {
  const change = { dom: machine, event: 5, detail: 2 }

  test('arrive by name, in order, also those newer than this client', async () => {
    const seen: unknown[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    await using _ = await open({
      on: {
        lifecycle: (event) => seen.push(event),
        agentLifecycle(event) {
          seen.push(event)
          resolve()
        },
      },
    })
    fake.event('domainEventCallbackLifecycle', { callbackId: 1, change })
    fake.event('domainEventCallbackLifecycle', {
      callbackId: 1,
      change: { dom: machine, event: 77, detail: 3 },
    })
    fake.event('domainEventCallbackAgentLifecycle', { callbackId: 2, dom: machine, state: 1, reason: 2 })
    await promise
    expect(seen).toEqual([
      { domain: machine, event: 'stopped', detail: 'crashed' },
      { domain: machine, event: 'other', detail: 'other-3' },
      { domain: machine, state: 'connected', reason: 'channel' },
    ])
  })
})
