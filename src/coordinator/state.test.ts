import { expect, test } from 'vitest'
import { anyFacts } from '../../test/coordinator/world.ts'
import { type HostFacts, hullsIn, type MachineId, parseId } from '../model/index.ts'
import { State } from './state.ts'

const HOST = parseId('HostId', 'h1')
const hull = (n: number): MachineId => parseId('MachineId', `m-${String(n).padStart(26, '0')}`)
const shape = {
  image: parseId('ImageDigest', `sha256:${'0'.repeat(64)}`),
  vcpus: 1,
  memoryMiB: 512,
  diskGiB: 1,
  sharing: 'host',
} as const

const offering = (...hulls: readonly MachineId[]): HostFacts => ({
  ...anyFacts({ host: HOST }),
  templates: [
    {
      state: 'ready',
      id: parseId('TemplateId', `t-${'0'.repeat(26)}`),
      shape,
      mode: 'shared-memory',
      builtAtMs: 0,
      clones: 0,
      diskMiB: 1,
      hulls,
    },
  ],
})

const known = () => {
  const state = new State()
  const host = state.host(HOST, 0)
  return { state, host, offered: () => [...hullsIn(host.facts?.templates ?? [])] }
}

test('a hull that was taken is offered no more, although its host says so for a while', () => {
  const { state, host, offered } = known()
  state.setFacts(host, offering(hull(1), hull(2)))
  state.takeHull(host, hull(1))
  state.takeHull(host, hull(2))
  expect(offered()).toEqual([])
  state.setFacts(host, offering(hull(1), hull(2), hull(3)))
  expect(offered()).toEqual([hull(3)])
  state.setFacts(host, offering(hull(3)))
  expect(host.takenHulls.size).toBe(0)
})

test('a machine that has served is no hull, whatever its host says', () => {
  const { state, host, offered } = known()
  state.served.add(hull(1))
  state.setFacts(host, offering(hull(1), hull(2)))
  expect(offered()).toEqual([hull(2)])
})
