import fc from 'fast-check'
import { expect, it } from 'vitest'
import { machineOf } from '../../test/agent/world.ts'
import { judgeAnswer, type KitRequest, kitClockInput, kitInput } from './kit.ts'

const machine = machineOf(1)
const key = `ssh-ed25519 ${Buffer.concat([
  Buffer.from('0000000b7373682d6564323535313900000020', 'hex'),
  Buffer.alloc(32, 5),
]).toString('base64')}`
const request: KitRequest = {
  entropy: new Uint8Array(64).fill(0xab),
  salt: new Uint8Array(16).fill(1),
  machineId: '0123456789abcdef0123456789abcdef',
  hostname: machine,
  authorizedKey: key,
  user: 'job',
  tools: true,
}
const NOW_MS = 1_893_456_000_000
const honest = {
  kit: 1,
  ok: true,
  steps: [{ step: 'reseed', us: 12 }],
  hostKey: key,
  machineId: request.machineId,
  hostname: machine,
  bootId: '6e3c0ffb-6e4d-4e5a-8a3b-2f4b9a8d1c22',
  sampleHash: 'ab'.repeat(32),
  clockNs: (NOW_MS + 20) * 1e6,
}
const judge = (stdout: string, exitCode = 0) => judgeAnswer({ machine, request, exitCode, stdout })
const judged = (change: object) => judge(`${JSON.stringify({ ...honest, ...change })}\n`)
const misbehaved = expect.objectContaining({ code: 'guest_misbehaved' })

it('asks in the words of the kit, the clock in nanoseconds', () => {
  expect(kitInput(request, NOW_MS).split('\n')).toEqual([
    `entropy=${'ab'.repeat(64)}`,
    'clock=1893456000000000000',
    'machine-id=0123456789abcdef0123456789abcdef',
    `hostname=${machine}`,
    'host-key=make',
    `authorized-key=${key}`,
    'user=job',
    'tools=slipway-tools',
    'door=start',
    `salt=${'01'.repeat(16)}`,
    '',
  ])
  expect(kitClockInput(NOW_MS)).toBe('clock=1893456000000000000\n')
  expect(kitInput({ ...request, tools: false }, NOW_MS)).not.toContain('tools=')
})

it('refuses to send a value that would be two lines', () => {
  expect(() => kitInput({ ...request, user: 'job\ndoor=start' }, NOW_MS)).toThrow(/user/)
})

it('believes an honest answer', () => {
  expect(judged({})).toEqual({ hostKey: key, sampleHash: honest.sampleHash })
})

it('names what is wrong with any other', () => {
  const what = (change: object): unknown => {
    try {
      return judged(change)
    } catch (error) {
      return error instanceof Error ? error.message : error
    }
  }
  expect(what({ machineId: 'f'.repeat(32) })).toContain('another machine id')
  expect(what({ hostname: 'localhost' })).toContain('another hostname')
  expect(what({ hostKey: `${key} comment` })).toContain('a host key that is none')
  expect(what({ ok: false })).toContain('no kit')
  expect(what({ extra: 1 })).toContain('no kit')
  expect(what({ sampleHash: 'x' })).toContain('no kit')
  expect(what({ steps: Array(100).fill(honest.steps[0]) })).toContain('no kit')
})

it('passes on which step of the kit failed', () => {
  const failed = JSON.stringify({ kit: 1, ok: false, step: 'host-key', message: 'No space left', errno: 28 })
  expect(() => judge(`${failed}\n`, 1)).toThrow(/step host-key: No space left/)
})

it('refuses a flood, two lines, a failed exit, and anything that is no answer', () => {
  expect(() => judge('A'.repeat(5_000))).toThrow(/more than the kit ever says/)
  expect(() => judge(`${JSON.stringify(honest)}\n${JSON.stringify(honest)}\n`)).toThrow(misbehaved)
  expect(() => judge(JSON.stringify(honest), 3)).toThrow(/code 3/)
  const garbage = fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    expect(() => judge(text)).toThrow(misbehaved)
  })
  fc.assert(garbage)
})
