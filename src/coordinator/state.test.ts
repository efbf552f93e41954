import { expect, test } from 'vitest'
import { anySpec, machineOf } from '../../test/agent/world.ts'
import { anyFacts } from '../../test/coordinator/world.ts'
import { type HostFacts, hullsIn, type MachineId, parseId, shapeOf } from '../model/index.ts'
import { State } from './state.ts'

const HOST = parseId('HostId', 'h1')
const shape = shapeOf(anySpec)

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
  state.setFacts(host, offering(machineOf(1), machineOf(2)))
  state.takeHull(host, machineOf(1))
  state.takeHull(host, machineOf(2))
  expect(offered()).toEqual([])
  state.setFacts(host, offering(machineOf(1), machineOf(2), machineOf(3)))
  expect(offered()).toEqual([machineOf(3)])
  state.setFacts(host, offering(machineOf(3)))
  expect(host.takenHulls.size).toBe(0)
})

test('a machine that has served is no hull, whatever its host says', () => {
  const { state, host, offered } = known()
  state.served.add(machineOf(1))
  state.setFacts(host, offering(machineOf(1), machineOf(2)))
  expect(offered()).toEqual([machineOf(2)])
})
