import { expect, it } from 'vitest'
import { facts, HOST, machineOf, World } from '../../test/agent/world.ts'
import { anySpec } from '../../test/conformance/image.ts'
import { Secret } from '../model/index.ts'
import { Effects } from './effects.ts'
import { Keeper } from './keeper.ts'
import { Yard } from './yard.ts'

const machine = machineOf(1)
const access = { address: 'a', port: 22, user: 'u', hostKey: 'k', privateKey: new Secret('p') }

it('does not take the end of an earlier making for that of the present one', () => {
  const { ports, clock } = new World()
  const yard = new Yard(ports, { host: HOST, clonesAtOnce: 1, bootMs: 1 }, new Effects(clock), () => {})
  const keeper = new Keeper(ports, yard)
  keeper.act({ kind: 'create', machine, spec: anySpec }, facts)
  keeper.act({ kind: 'destroy', machine }, facts)
  keeper.removed(machine)
  keeper.act({ kind: 'create', machine, spec: anySpec }, facts)
  keeper.settle({ kind: 'made', machine, attempt: 1, access })
  expect(keeper.machines.held.get(machine)?.state).toBe('creating')
  keeper.settle({ kind: 'made', machine, attempt: 2, access })
  expect(keeper.machines.held.get(machine)?.state).toBe('ready')
})
