import { describe, expect, test } from 'vitest'
import { type Caller, ErrorNumber, LibvirtError } from '../../../libvirt/index.ts'
import { parseId } from '../../../model/index.ts'
import { guestChannel, OUTPUT_BYTES_MAX } from './guest-channel.ts'

const machine = parseId('MachineId', 'm-01j00000000000000000000000')
const dom = { name: 'x', uuid: '00000000-0000-0000-0000-000000000000', id: 1 }
const never = new AbortController().signal
const patience = { signal: never, deadlineMs: 500 }

type Command = { readonly execute: string; readonly arguments: Readonly<Record<string, unknown>> }
/** A guest: what it answers to a command, as text; an error is libvirt's. */
type Guest = (command: Command) => string | Error

function channelTo(guest: Guest) {
  const call = async (_: string, args: { readonly command: string }): Promise<unknown> => {
    const answer = guest(JSON.parse(args.command))
    if (answer instanceof Error) throw answer
    return { result: answer }
  }
  return guestChannel({
    machine,
    caller: { call } as unknown as Caller,
    domain: async () => dom,
    kit: () => Promise.reject(new Error('no kit')),
  })
}
const refused = (code: number, message = 'no'): LibvirtError =>
  new LibvirtError({ code, domain: 10, level: 2, message, procedure: 'domainAgentCommand' })
const says = (value: unknown): string => JSON.stringify({ return: value })
/** Starts the program, then ends it with `status`. */
const ending =
  (status: unknown): Guest =>
  ({ execute }) =>
    execute === 'guest-exec' ? says({ pid: 7 }) : says(status)
const run = (guest: Guest) => channelTo(guest).exec('/bin/true', ['x'], { stdin: 'in', ...patience })

describe('sync', () => {
  test('is done once the fresh number comes back, and not at an older one', async () => {
    let asked = 0
    const guest: Guest = ({ arguments: { id } }) => says(++asked < 3 ? 42 : id)
    await channelTo(guest).sync(patience)
    expect(asked).toBe(3)
  })
  test('waits for an agent that is not there yet', async () => {
    let asked = 0
    const guest: Guest = ({ arguments: { id } }) =>
      ++asked < 3 ? refused(ErrorNumber.AGENT_UNRESPONSIVE) : says(id)
    await channelTo(guest).sync(patience)
  })
  test('calls an agent silent that never is', async () => {
    const silent = channelTo(() => refused(ErrorNumber.AGENT_UNRESPONSIVE)).sync({
      ...patience,
      deadlineMs: 30,
    })
    await expect(silent).rejects.toMatchObject({ code: 'guest_silent' })
  })
  test('ends with the caller’s reason', async () => {
    const reason = new Error('enough')
    const aborted = channelTo(() => says(0)).sync({ ...patience, signal: AbortSignal.abort(reason) })
    await expect(aborted).rejects.toBe(reason)
  })
})

describe('exec', () => {
  test('hands over path, arguments and input, and returns code and output', async () => {
    const seen: Command[] = []
    const reply = await run((command) => {
      seen.push(command)
      return ending({ exited: true, exitcode: 3, 'out-data': 'aGk=', 'err-data': 'Zg==' })(command)
    })
    expect(reply).toEqual({ exitCode: 3, stdout: 'hi', stderr: 'f' })
    expect(seen[0]?.arguments).toEqual({
      path: '/bin/true',
      arg: ['x'],
      'input-data': 'aW4=',
      'capture-output': true,
    })
    expect(seen[1]?.arguments).toEqual({ pid: 7 })
  })
  test('waits until the program has ended', async () => {
    let asked = 0
    const guest: Guest = (command) =>
      ending(++asked < 4 ? { exited: false } : { exited: true, exitcode: 0 })(command)
    expect(await run(guest)).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })
  test('tells a signal as a shell does', async () => {
    expect(await run(ending({ exited: true, signal: 9 }))).toMatchObject({ exitCode: 137 })
  })
  test('calls a program silent that does not end in time', async () => {
    const endless = channelTo(ending({ exited: false }))
    const running = endless.exec('/bin/true', [], { stdin: '', ...patience, deadlineMs: 30 })
    await expect(running).rejects.toMatchObject({ code: 'guest_silent' })
  })

  const large = Buffer.alloc(OUTPUT_BYTES_MAX + 1).toString('base64')
  test.each<readonly [string, Guest]>([
    ['no JSON', () => 'boo'],
    ['neither return nor error', () => '{}'],
    ['an error', () => '{"error":{"class":"GenericError","desc":"\\u001b[2J"}}'],
    ['no object', () => says(null)],
    ['no pid', () => says({})],
    ['a pid that is no number', () => says({ pid: '7' })],
    ['a pid beyond numbers', () => '{"return":{"pid":1e400}}'],
    ['no "exited"', ending({})],
    ['"exited" as a word', ending({ exited: 'yes' })],
    ['no exit code', ending({ exited: true })],
    ['an exit code with a fraction', ending({ exited: true, exitcode: 0.5 })],
    ['output that is no text', ending({ exited: true, exitcode: 0, 'out-data': 7 })],
    ['output that is not base64', ending({ exited: true, exitcode: 0, 'out-data': '<script>' })],
    ['truncated output', ending({ exited: true, exitcode: 0, 'out-truncated': true })],
    ['more output than allowed', ending({ exited: true, exitcode: 0, 'out-data': large })],
    ['a reply without end', () => says('x'.repeat(3 * OUTPUT_BYTES_MAX))],
    ['what libvirt cannot parse', () => refused(ErrorNumber.INTERNAL_ERROR, 'cannot parse json')],
  ])('calls it misbehaviour when the guest answers %s', async (_, guest) => {
    await expect(run(guest)).rejects.toMatchObject({ code: 'guest_misbehaved' })
  })
})
