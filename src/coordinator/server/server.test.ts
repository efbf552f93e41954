/** Over real unix sockets, since what is tested is how bytes from outside are met. */
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Served, startServed } from '../../../test/coordinator/served.ts'
import { anyFacts, anyFlavor, flavorName, leaseName } from '../../../test/coordinator/world.ts'
import { AGENT_PATH, AGENT_STREAM_PATH, CONSOLE_PATH } from '../../api/index.ts'
import { FRAME_BYTES_MAX } from '../../api/server.ts'
import { parseId } from '../../model/index.ts'
import { BODY_BYTES_MAX } from './http.ts'

let served: Served

beforeEach(async () => {
  served = await startServed([anyFlavor({ limit: 2_000, memoryMiB: 64 })])
})
afterEach(async () => {
  expect(served.bugs).toEqual([])
  await served.close()
})

const job = (name: string) => ({ name: leaseName(name), flavor: flavorName('tiny'), ttlMs: 60_000 })
const roomy = { capacity: { vcpus: 4_000, memoryMiB: 1_000_000, diskMiB: 10_000_000 } }

async function tokenOf(runner: string, change: object = {}): Promise<string> {
  const body = {
    runner,
    trustDomain: parseId('TrustDomain', 'd'),
    flavors: ['*'],
    images: [],
    leasesMax: 5_000,
    ...change,
  }
  return (await served.admin.call('tokenCreate', { body })).token
}

/** Status and body of a request written by hand. */
async function raw(socket: string, text: string): Promise<string> {
  const connection = createConnection(join(served.dir, socket))
  connection.end(text)
  let answer = ''
  for await (const chunk of connection) answer += chunk
  return answer
}

describe('the sockets', () => {
  test('are open to nobody but whom they are for', () => {
    const modes = ['agent.sock', 'admin.sock', 'lease.sock'].map(
      (name) => statSync(join(served.dir, name)).mode & 0o007,
    )
    expect(modes).toEqual([0, 0, 0])
    expect(statSync(join(served.dir, 'agent.sock')).mode & 0o777).toBe(0o600)
  })
})

test('the admin socket describes the API, the lease socket does not', async () => {
  const ask = 'GET /openapi.json HTTP/1.1\r\nhost: slipway\r\nconnection: close\r\n\r\n'
  const described = await raw('admin.sock', ask)
  expect(described).toMatch(/^HTTP\/1.1 200 /)
  expect(described).toContain('"openapi":"3.1.0"')
  expect(await raw('lease.sock', ask)).toMatch(/^HTTP\/1.1 404 /)
})

describe('a lease', () => {
  test('is asked for, waited for, reached, kept alive and given back', async () => {
    const { host } = await served.host(anyFacts(roomy))
    const client = served.lease(await tokenOf('runner-a'))
    const params = { lease: leaseName('job-1') }
    expect(await client.call('leaseAsk', { body: job('job-1') })).toMatchObject({ state: 'waiting' })
    const granted = client.call('leaseGet', { params, query: { waitMs: 10_000, state: 'waiting' } })
    await until(() => host.named.length === 1)
    host.ready(host.nth(0))
    expect(await granted).toMatchObject({ state: 'granted', machine: host.nth(0) })
    expect(await client.call('leaseAccess', { params })).toMatchObject({
      user: 'job',
      privateKey: `key of ${host.nth(0)}`,
    })
    expect(await client.call('leaseHeartbeat', { params })).toMatchObject({ state: 'granted' })
    expect(await client.call('leaseRelease', { params })).toMatchObject({ state: 'ended', end: 'released' })
    await expect(client.call('leaseAccess', { params })).rejects.toMatchObject({ code: 'not_granted' })
  })

  test('of another owner is out of reach', async () => {
    const [mine, theirs] = [served.lease(await tokenOf('runner-a')), served.lease(await tokenOf('runner-b'))]
    await mine.call('leaseAsk', { body: job('job-1') })
    const params = { lease: leaseName('job-1') }
    for (const name of [
      'leaseGet',
      'leaseAccess',
      'leaseHeartbeat',
      'leaseRelease',
      'leaseExplain',
    ] as const) {
      await expect(theirs.call(name, { params })).rejects.toMatchObject({ code: 'forbidden' })
    }
    expect((await theirs.call('leaseList', {})).leases).toEqual([])
    expect(await theirs.call('leaseAsk', { body: job('job-1') })).toMatchObject({ runner: 'runner-b' })
    expect(await mine.call('leaseGet', { params })).toMatchObject({ runner: 'runner-a', state: 'waiting' })
  })

  test("is nobody's without a token, or with a wrong one", async () => {
    await tokenOf('runner-a')
    for (const token of ['', 'wrong', 'x'.repeat(1_000)]) {
      await expect(served.lease(token).call('leaseList', {})).rejects.toMatchObject({ code: 'unauthorized' })
    }
  })

  test('is waited for no longer once its token is revoked', async () => {
    const client = served.lease(await tokenOf('runner-a'))
    await client.call('leaseAsk', { body: job('job-1') })
    const params = { lease: leaseName('job-1') }
    const waits = client.call('leaseGet', { params, query: { waitMs: 60_000, state: 'waiting' } })
    const other = served.lease(await tokenOf('runner-b'))
    expect(await other.call('leaseAsk', { body: job('job-1') })).toMatchObject({ state: 'waiting' })
    await served.admin.call('tokenRevoke', { params: { runner: 'runner-a' } })
    await expect(waits).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('is waited for by so many requests of a runner at once, and by those of others', async () => {
    const client = served.lease(await tokenOf('runner-a', { leasesMax: 1 }))
    await client.call('leaseAsk', { body: job('job-1') })
    const params = { lease: leaseName('job-1') }
    const gone = new AbortController()
    const wait = () =>
      client.call('leaseGet', {
        params,
        query: { waitMs: 60_000, state: 'waiting' },
        signal: gone.signal,
      })
    const waits = Array.from({ length: 20 }, wait)
    for (const each of waits) each.catch(() => undefined)
    await until(async () => (await client.call('health', {}).catch((error) => error)).code === 'too_busy')
    const other = served.lease(await tokenOf('runner-b'))
    expect(await other.call('leaseAsk', { body: job('job-1') })).toMatchObject({ state: 'waiting' })
    gone.abort()
    await until(
      async () => (await client.call('leaseRelease', { params }).catch(() => undefined)) !== undefined,
    )
    expect(await client.call('leaseGet', { params })).toMatchObject({ state: 'ended' })
  })

  test('may only be of a flavor and an image that its token allows', async () => {
    const client = served.lease(await tokenOf('runner-a', { flavors: ['other'] }))
    await expect(client.call('leaseAsk', { body: job('job-1') })).rejects.toMatchObject({
      code: 'not_allowed',
    })
    const free = served.lease(await tokenOf('runner-b', { leasesMax: 1 }))
    await expect(free.call('leaseAsk', { body: { ...job('a'), image: 'other' } })).rejects.toMatchObject({
      code: 'not_allowed',
    })
    await free.call('leaseAsk', { body: job('a') })
    await expect(free.call('leaseAsk', { body: job('b') })).rejects.toMatchObject({ code: 'too_busy' })
  })

  test('waited for by a client that goes away is waited for no more', async () => {
    const client = served.lease(await tokenOf('runner-a'))
    await client.call('leaseAsk', { body: job('job-1') })
    const gone = new AbortController()
    const waiting = client.call('leaseGet', {
      params: { lease: leaseName('job-1') },
      query: { waitMs: 60_000 },
      signal: gone.signal,
    })
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    await served.close()
    served = await startServed([anyFlavor()])
  })
})

describe('a request', () => {
  test.each([
    [
      'of an unknown key',
      'POST',
      '/v1/leases',
      '{"name":"a","flavour":"tiny","flavor":"tiny","ttlMs":5000}',
      400,
      'flavour',
    ],
    ['of no JSON', 'POST', '/v1/leases', '{"name":', 400, 'bad_request'],
    ['of a name that is a path', 'GET', '/v1/leases/..%2f..%2fetc', '', 400, 'LeaseName'],
    ['of an unknown query', 'GET', '/v1/leases?everything=1', '', 400, 'everything'],
    ['for an unknown endpoint', 'GET', '/v1/nothing', '', 404, 'not_found'],
    ['of a body above the limit', 'POST', '/v1/leases', `"${'x'.repeat(BODY_BYTES_MAX)}"`, 413, 'too_large'],
    ['with a prototype in it', 'POST', '/v1/leases', '{"__proto__":{"name":"a"}}', 400, 'bad_request'],
  ])('%s is refused with a code', async (_, method, path, body, status, says) => {
    const head = `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n`
    const lengths = body === '' ? '' : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`
    const answer = await raw('admin.sock', `${head}${lengths}\r\n${body}`)
    expect(answer).toContain(`HTTP/1.1 ${status} `)
    expect(answer).toContain(says)
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({
      code: expect.any(String),
      next: expect.any(String),
    })
  })

  test.each([
    ['that is no HTTP', '\x16\x03\x01\x02\x00'],
    ['with a head above the limit', `GET /v1/health HTTP/1.1\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`],
  ])('%s is refused', async (_, text) => {
    expect(await raw('admin.sock', text)).toContain('400 Bad Request')
  })

  test('for what only the operator may see is unknown on the lease socket', async () => {
    const client = served.lease(await tokenOf('runner-a'))
    for (const name of ['machineList', 'hostList', 'audit', 'tokenList'] as const) {
      await expect(client.call(name, {})).rejects.toMatchObject({ code: 'not_found' })
    }
  })
})

describe('a server that stops', () => {
  const upgrade =
    'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=='
  test.each([
    ['an agent that never says goodbye', 'agent.sock', AGENT_PATH, '101'],
    ['a stream that nobody asked for', 'agent.sock', AGENT_STREAM_PATH, '101'],
    ['an upgrade to what is no address', 'admin.sock', '/v1/leases/%ff', '400'],
    ['an upgrade to no WebSocket', 'admin.sock', '/v1/health', '200'],
  ])('does not wait for %s', async (_, socket, path, status) => {
    const client = createConnection(join(served.dir, socket))
    client.on('error', () => {})
    client.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n${upgrade}\r\n\r\n`)
    const [answer] = await once(client, 'data')
    expect(String(answer)).toContain(`HTTP/1.1 ${status} `)
    const startedAt = performance.now()
    await served.close()
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    client.destroy()
    served = await startServed([anyFlavor()])
  })
})

describe('an agent', () => {
  test.each([
    ['what is no JSON', 'hello'],
    ['a frame of an unknown type', '{"type":"goodbye"}'],
    ['a frame with an unknown key', '{"type":"answer","ask":"a","result":{"kind":"opened","more":1}}'],
    ['bytes', Buffer.from([1, 2, 3])],
    ['a frame above the limit', Buffer.alloc(FRAME_BYTES_MAX + 1, 0x20)],
  ])('that sends %s is cut off', async (_, frame) => {
    const socket = new WebSocket(`ws+unix:${join(served.dir, 'agent.sock')}:${AGENT_PATH}`)
    await once(socket, 'open')
    socket.on('error', () => {})
    socket.send(frame)
    await once(socket, 'close')
    expect(await served.admin.call('health', {})).toMatchObject({ hosts: 0 })
  })

  test('opens no stream that nobody has asked for', async () => {
    const path = AGENT_STREAM_PATH.replace(':stream', 'guessed')
    const socket = new WebSocket(`ws+unix:${join(served.dir, 'agent.sock')}:${path}`)
    await once(socket, 'close')
  })

  test("answers for its machine's log and for its host's audit", async () => {
    const { host, socket } = await served.host(anyFacts(roomy))
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data))
      if (frame.type !== 'ask') return
      const { kind } = frame.question
      const result = kind === 'log' ? { kind, lines: ['login:'] } : { kind, findings: [] }
      host.send({ type: 'answer', ask: frame.ask, result })
    })
    await served.admin.call('leaseAsk', { body: job('job-1') })
    await until(() => host.named.length === 1)
    const log = await served.admin.call('machineLog', { params: { machine: host.nth(0) } })
    expect(log).toEqual({ lines: ['login:'] })
    expect(await served.admin.call('audit', {})).toEqual({ hosts: [{ host: 'h1', findings: [] }] })
  })
})

describe('a console', () => {
  test('joins the operator to the stream that the agent opens, and both close together', async () => {
    const { host, socket } = await served.host(anyFacts(roomy))
    const agentSide = new Promise<WebSocket>((resolve) => {
      socket.on('message', async (data) => {
        const frame = JSON.parse(String(data))
        if (frame.type !== 'ask' || frame.question.kind !== 'console') return
        const path = AGENT_STREAM_PATH.replace(':stream', frame.question.stream)
        const stream = new WebSocket(`ws+unix:${join(served.dir, 'agent.sock')}:${path}`)
        await once(stream, 'open')
        stream.send(Buffer.from('login: '))
        host.send({ type: 'answer', ask: frame.ask, result: { kind: 'opened' } })
        resolve(stream)
      })
    })
    await served.admin.call('leaseAsk', { body: job('job-1') })
    await until(() => host.named.length === 1)
    const path = CONSOLE_PATH.replace(':machine', host.nth(0))
    const person = new WebSocket(`ws+unix:${join(served.dir, 'admin.sock')}:${path}`)
    const [output] = await once(person, 'message')
    expect(String(output)).toBe('login: ')
    const stream = await agentSide
    person.send(Buffer.from('root\n'))
    const [input] = await once(stream, 'message')
    expect(String(input)).toBe('root\n')
    const closed = once(stream, 'close')
    person.close()
    await closed
  })

  test('that the operator no longer waits for is closed as soon as it is there', async () => {
    const { host, socket } = await served.host(anyFacts(roomy))
    const asked = new Promise<{ ask: string; stream: string }>((resolve) => {
      socket.on('message', (data) => {
        const frame = JSON.parse(String(data))
        if (frame.type === 'ask') resolve({ ask: frame.ask, stream: frame.question.stream })
      })
    })
    await served.admin.call('leaseAsk', { body: job('job-1') })
    await until(() => host.named.length === 1)
    const path = CONSOLE_PATH.replace(':machine', host.nth(0))
    const person = new WebSocket(`ws+unix:${join(served.dir, 'admin.sock')}:${path}`)
    person.on('error', () => undefined)
    const { ask, stream } = await asked
    person.terminate()
    // Its answer comes after the coordinator has seen the end of the connection before.
    await served.admin.call('health', {})
    const opened = new WebSocket(
      `ws+unix:${join(served.dir, 'agent.sock')}:${AGENT_STREAM_PATH.replace(':stream', stream)}`,
    )
    await once(opened, 'open')
    host.send({ type: 'answer', ask, result: { kind: 'opened' } })
    await once(opened, 'close')
  })

  test('of no machine is refused before the connection is accepted', async () => {
    const path = CONSOLE_PATH.replace(':machine', `m-${'0'.repeat(26)}`)
    const person = new WebSocket(`ws+unix:${join(served.dir, 'admin.sock')}:${path}`)
    const [error] = await once(person, 'error')
    expect(String(error)).toContain('404')
  })
})

/** Yields to the event loop until it is so. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}
