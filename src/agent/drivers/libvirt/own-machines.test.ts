import { expect, it } from 'vitest'
import { machineOf } from '../../../../test/agent/world.ts'
import { OwnMachines } from './own-machines.ts'

it('a look knows what was the driver’s own meanwhile, and not what was launched', async () => {
  const [kept, gone, launched, begun, brief] = [
    machineOf(1),
    machineOf(2),
    machineOf(3),
    machineOf(4),
    machineOf(5),
  ]
  const machines = new OwnMachines()
  for (const machine of [kept, gone, launched]) machines.add(machine)
  const { found, own } = await machines.look(async () => {
    machines.add(begun)
    machines.delete(gone)
    machines.add(brief)
    machines.delete(brief)
    machines.launch(launched)
    return 'all'
  })
  expect(found).toBe('all')
  expect(own).toEqual(new Set([kept, gone, begun, brief]))
  expect(machines.all()).toEqual([kept, begun])
  expect((await machines.look(async () => {})).own).toEqual(new Set([kept, begun]))
})
