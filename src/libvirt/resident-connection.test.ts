import { afterEach, beforeEach, expect, test } from 'vitest'
import { domains } from './domains.ts'
import { FakeLibvirtd } from './fake-libvirtd.ts'
import { ResidentConnection, type ResidentOptions } from './resident-connection.ts'

const machine = { name: 'm1', uuid: '6695eb01-f6a4-8304-79aa-97f2502e193f', id: 1 }
let fake: FakeLibvirtd
let resident: ResidentConnection

/** A line for each thing the listeners were told, and a way to wait for one. */
const log: string[] = []
let wake: () => void = () => {}

function note(line: string): void {
  log.push(line)
  wake()
}

async function noted(line: string): Promise<void> {
  while (!log.includes(line)) await new Promise<void>((resolve) => (wake = resolve))
}

function start(options: Partial<ResidentOptions> = {}): ResidentConnection {
  return new ResidentConnection({
    socketPath: fake.socketPath,
    uri: 'test:///default',
    backOff: { firstMs: 1, maxMs: 4 },
    on: {
      connected: () => note('connected'),
      disconnected: (reason) => note(`disconnected ${(reason as { code?: string }).code}`),
      attemptFailed: (error) => note(`failed ${(error as { code?: string }).code}`),
      lifecycle: ({ event }) => note(event),
    },
    ...options,
  })
}

beforeEach(async () => {
  log.length = 0
  fake = await FakeLibvirtd.listen()
  fake.on('domainLookupByName', (call) => fake.reply(call, { dom: machine }))
})
afterEach(async () => {
  await resident.close()
  await fake[Symbol.asyncDispose]()
})

test('calls fail at once with NOT_CONNECTED until it stands, then work', async () => {
  resident = start()
  await expect(domains(resident).lookupByName('m1')).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
  await resident.ready()
  await expect(domains(resident).lookupByName('m1')).resolves.toEqual(machine)
})

test('after libvirtd was killed and came back it stands again, and events are registered for anew', async () => {
  resident = start()
  await resident.ready()
  await fake.die()
  await noted('disconnected CONNECTION_LOST')
  await expect(domains(resident).lookupByName('m1')).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
  await noted('failed CONNECT_FAILED')
  fake.received.length = 0
  await fake.resume()
  await resident.ready()
  expect(fake.received.map(({ name }) => name)).toContain('connectDomainEventCallbackRegisterAny')
  await expect(domains(resident).lookupByName('m1')).resolves.toEqual(machine)
  fake.event('domainEventCallbackLifecycle', { callbackId: 1, change: { dom: machine, event: 2, detail: 0 } })
  await noted('started')
  expect(log.filter((line) => line === 'connected')).toHaveLength(2)
})

test('a call that failed for lack of a connection says why there is none', async () => {
  await fake.die()
  resident = start()
  await noted('failed CONNECT_FAILED')
  await expect(domains(resident).lookupByName('m1')).rejects.toMatchObject({
    cause: { code: 'CONNECT_FAILED' },
  })
})

test('waiting for it ends with the signal', async () => {
  await fake.die()
  resident = start()
  const giveUp = new AbortController()
  const ready = resident.ready({ signal: giveUp.signal })
  giveUp.abort(new Error('enough'))
  await expect(ready).rejects.toThrow('enough')
})

test('closing ends attempts and whoever waits', async () => {
  await fake.die()
  resident = start()
  const ready = expect(resident.ready()).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
  await resident.close()
  await ready
  const before = log.length
  await fake.resume()
  await expect(domains(resident).lookupByName('m1')).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
  expect(log).toHaveLength(before)
})

test('closing while it stands tells libvirtd and is not reported as a loss', async () => {
  resident = start()
  await resident.ready()
  await resident.close()
  expect(fake.received.at(-1)?.name).toBe('connectClose')
  expect(log).toEqual(['connected'])
})
