import fc from 'fast-check'
import { expect, it } from 'vitest'
import { machineOf } from '../../test/agent/world.ts'
import { judgeAnswer, judgeForgotten, type KitRequest, kitClockInput, kitInput } from './kit.ts'

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
  clockShiftMs: -1_500.4,
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
const judge = (line: string) => judgeAnswer({ machine, request, line })
const judged = (change: object) => judge(`${JSON.stringify({ ...honest, ...change })}\n`)
const misbehaved = expect.objectContaining({ code: 'guest_misbehaved' })

it('asks in the words of the kit, the clock in nanoseconds', () => {
  expect(kitInput(request).split('\n')).toEqual([
    `entropy=${'ab'.repeat(64)}`,
    'clock-shift=-1500000000',
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
  expect(kitClockInput(NOW_MS)).toBe('clock-shift=999999999999000000\n')
  expect(kitClockInput(-NOW_MS)).toBe('clock-shift=-999999999999000000\n')
  expect(kitInput({ ...request, clockShiftMs: 0.4 })).not.toContain('clock')
  expect(kitInput({ ...request, tools: false })).not.toContain('tools=')
})

it('refuses to send a value that would be two lines', () => {
  expect(() => kitInput({ ...request, user: 'job\ndoor=start' })).toThrow(/user/)
})

it('believes an honest answer', () => {
  expect(judged({})).toEqual({
    hostKey: key,
    machineId: honest.machineId,
    sampleHash: honest.sampleHash,
    clockMs: NOW_MS + 20,
  })
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

it('believes that a machine has forgotten who it was only when nothing of it is left', () => {
  const bare = { ...honest, hostKey: undefined, machineId: '', hostname: 'template' }
  const forgotten = (change: object) => () =>
    judgeForgotten(machine, 'template', JSON.stringify({ ...bare, ...change }))
  expect(forgotten({})).not.toThrow()
  for (const change of [{ hostKey: key }, { machineId: request.machineId }, { hostname: machine }])
    expect(forgotten(change)).toThrow(/still knows who it is/)
  expect(() => judgeForgotten(machine, 'template', '')).toThrow(misbehaved)
})

it('passes on which step of the kit failed', () => {
  const failed = JSON.stringify({ kit: 1, ok: false, step: 'host-key', message: 'No space left', errno: 28 })
  expect(() => judge(failed)).toThrow(/step host-key: No space left/)
})

it('refuses a flood, two lines, and anything that is no answer', () => {
  expect(() => judge('A'.repeat(5_000))).toThrow(/more than the kit ever says/)
  expect(() => judge(`${JSON.stringify(honest)}\n${JSON.stringify(honest)}\n`)).toThrow(misbehaved)
  const garbage = fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    expect(() => judge(text)).toThrow(misbehaved)
  })
  fc.assert(garbage)
})
