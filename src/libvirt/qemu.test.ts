import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from './connection.ts'
import { FakeLibvirtd } from './fake-libvirtd.ts'
import { qemu } from './qemu.ts'

const machine = { name: 'm1', uuid: '6695eb01-f6a4-8304-79aa-97f2502e193f', id: 1 }
let fake: FakeLibvirtd
let connection: Connection

beforeEach(async () => {
  fake = await FakeLibvirtd.listen()
  connection = await Connection.open({ socketPath: fake.socketPath, uri: 'qemu:///system' })
})
afterEach(async () => {
  await connection.close()
  await fake[Symbol.asyncDispose]()
})

function agentSays(result: string | undefined): void {
  fake.on('domainAgentCommand', (call) => fake.reply(call, { result }))
}

describe('a command', () => {
  test("goes to QEMU's monitor as JSON, its result comes back parsed", async () => {
    fake.on('domainMonitorCommand', (call) =>
      fake.reply(call, { result: '{"return":{"running":true},"id":"libvirt-9"}' }),
    )
    const command = { execute: 'qom-get', arguments: { path: '/machine', property: 'x' } }
    await expect(qemu(connection).monitor(machine, command)).resolves.toEqual({ running: true })
    const { args } = await fake.next(({ name }) => name === 'domainMonitorCommand')
    expect(args).toEqual({ dom: machine, command: JSON.stringify(command), flags: 0 })
  })

  test('of the human monitor goes and comes as text', async () => {
    fake.on('domainMonitorCommand', (call) => fake.reply(call, { result: 'VM status: running\r\n' }))
    await expect(qemu(connection).monitorText(machine, 'info status')).resolves.toBe('VM status: running\r\n')
    const { args } = await fake.next(({ name }) => name === 'domainMonitorCommand')
    expect(args).toEqual({ dom: machine, command: 'info status', flags: 1 })
  })

  test('goes to the guest agent with the time it has', async () => {
    agentSays('{"return":{}}')
    await expect(
      qemu(connection).agent(machine, { execute: 'guest-ping' }, { timeoutSeconds: 7 }),
    ).resolves.toEqual({})
    const { args } = await fake.next(({ name }) => name === 'domainAgentCommand')
    expect(args).toEqual({ dom: machine, command: '{"execute":"guest-ping"}', timeoutSeconds: 7, flags: 0 })
  })

  test('that is refused fails with the class and description QEMU gave', async () => {
    agentSays('{"error":{"class":"CommandNotFound","desc":"no such command"}}')
    await expect(qemu(connection).agent(machine, { execute: 'nope' })).rejects.toMatchObject({
      name: 'QemuCommandError',
      code: 'REFUSED',
      errorClass: 'CommandNotFound',
      message: 'nope: no such command',
    })
  })
})

describe('a guest agent that lies', () => {
  test.each([
    ['sends no JSON', '{"return":', 'REPLY_MALFORMED'],
    ['sends a number', '7', 'REPLY_MALFORMED'],
    ['sends null', 'null', 'REPLY_MALFORMED'],
    ['sends neither result nor error', '{}', 'REPLY_MALFORMED'],
    ['sends an error that is none', '{"error":7}', 'REPLY_MALFORMED'],
    ['sends an error without text', '{"error":{}}', 'REFUSED'],
    ['sends more than a megabyte', `{"return":"${'x'.repeat(1024 * 1024)}"}`, 'REPLY_TOO_LARGE'],
    ['sends nothing', undefined, 'REPLY_MISSING'],
  ])('and %s', async (_, result, code) => {
    agentSays(result)
    await expect(qemu(connection).agent(machine, { execute: 'guest-ping' })).rejects.toMatchObject({
      name: 'QemuCommandError',
      code,
    })
  })

  test('and sends control characters cannot write them into a log', async () => {
    agentSays('{"error":{"class":"\\u001b[2J","desc":"\\u001b[31m\\nforged line"}}')
    const error: unknown = await qemu(connection)
      .agent(machine, { execute: 'x' })
      .catch((caught) => caught)
    expect(error).toMatchObject({ message: 'x: \\u001b[31m\\nforged line', errorClass: '\\u001b[2J' })
  })

  test('about nesting does not exhaust the stack', async () => {
    agentSays(`{"return":${'['.repeat(300_000)}${']'.repeat(300_000)}}`)
    const outcome = await qemu(connection)
      .agent(machine, { execute: 'x' })
      .then(
        () => 'parsed',
        (error: { readonly code: string }) => error.code,
      )
    expect(['parsed', 'REPLY_MALFORMED']).toContain(outcome)
  })

  test('in any way at all yields a value or a coded error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.json(), fc.string()).filter((text) => !text.includes('\0') && text.isWellFormed()),
        async (result) => {
          agentSays(result)
          const outcome = await qemu(connection)
            .agent(machine, { execute: 'x' })
            .then(
              () => 'value',
              (error: Error) => error.name,
            )
          expect(['value', 'QemuCommandError']).toContain(outcome)
        },
      ),
    )
  })

  test('may be allowed more', async () => {
    agentSays(`{"return":"${'x'.repeat(2 * 1024 * 1024)}"}`)
    const reply = qemu(connection).agent(machine, { execute: 'x' }, { replyBytesMax: 3 * 1024 * 1024 })
    await expect(reply).resolves.toHaveLength(2 * 1024 * 1024)
  })
})
