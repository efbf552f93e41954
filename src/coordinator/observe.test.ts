import { describe, expect, test } from 'vitest'
import { LOST } from '../../test/coordinator/fake-host.ts'
import type { MachineReportFrame } from '../api/index.ts'
import { parseId } from '../model/index.ts'
import { observe } from './observe.ts'
import type { HeldMachine } from './plan/index.ts'

const machine = parseId('MachineId', `m-${'0'.repeat(26)}`)
const spec = {
  flavor: parseId('FlavorName', 'tiny'),
  image: parseId('ImageDigest', `sha256:${'0'.repeat(64)}`),
  vcpus: 1,
  memoryMiB: 64,
  diskGiB: 1,
  network: { allow: [] },
  trustDomain: parseId('TrustDomain', 'd'),
  allowEmulation: false,
}
const access = { address: 'a', port: 22, user: 'job', hostKey: 'k', privateKey: 'very secret' }
const made = ['ready', 'suspect', 'leased', 'doomed']

const held = (state: HeldMachine['state']): HeldMachine => ({
  machine,
  reservation: parseId('ReservationId', `r-${'0'.repeat(26)}`),
  spec,
  host: parseId('HostId', 'h1'),
  state,
  made: made.includes(state),
  createdAtMs: 0,
  namedAtMs: 0,
  stateAtMs: 1,
  since: 1,
  timeline: [],
})

const report = (state: MachineReportFrame['state']): MachineReportFrame => {
  const it = { machine, spec, timeline: [{ step: state, atMs: 5 }] }
  if (state === 'ready') return { ...it, state, access }
  if (state === 'suspect') return { ...it, state, access, failure: LOST }
  if (state === 'failed' || state === 'lost') return { ...it, state, failure: LOST, consoleTail: [] }
  return { ...it, state }
}

const time = { now: 9, wall: 99 }
const reported = ['creating', 'ready', 'suspect', 'destroying', 'failed', 'lost'] as const

describe('what a report makes of a machine', () => {
  test.each([
    ['named', ['creating', 'ready', 'suspect', 'same', 'failed', 'lost']],
    ['creating', ['creating', 'ready', 'suspect', 'same', 'failed', 'lost']],
    ['ready', ['same', 'ready', 'suspect', 'same', 'lost', 'lost']],
    ['suspect', ['same', 'ready', 'suspect', 'same', 'lost', 'lost']],
    ['leased', ['same', 'leased', 'leased', 'same', 'lost', 'lost']],
    ['doomed', ['same', 'same', 'same', 'same', 'same', 'same']],
  ] as const)('that is held as %s', (state, becomes) => {
    const seen = reported.map((each) => {
      const sight = observe(held(state), report(each), time)
      return sight.kind === 'becomes' ? sight.machine.state : sight.kind
    })
    expect(seen).toEqual(becomes)
  })
})

test("a private key is out of every log's reach from the first moment", () => {
  const sight = observe(held('creating'), report('ready'), time)
  expect(JSON.stringify(sight)).not.toContain('very secret')
  expect(sight.kind === 'becomes' && sight.machine.access?.privateKey.reveal()).toBe('very secret')
})

test('the time of a state is the time it began', () => {
  const again = observe(held('ready'), report('ready'), time)
  const anew = observe(held('ready'), report('suspect'), time)
  expect([again, anew].map((sight) => sight.kind === 'becomes' && sight.machine.stateAtMs)).toEqual([1, 9])
})
