import fc from 'fast-check'
import { expect, it } from 'vitest'
import { anySpec, machineOf } from '../../test/agent/world.ts'
import { type MachineId, parseId, type WantedMachine } from '../model/index.ts'
import { type Action, type Observed, reconcile } from './reconcile.ts'

const states = [
  'absent',
  'half',
  'creating',
  'ready',
  'suspect',
  'dead',
  'clearing',
  'buried',
  'destroying',
] as const satisfies readonly Observed[]

const wish = (machine: MachineId, made: boolean): WantedMachine => ({
  machine,
  reservation: parseId('ReservationId', `r-${machine.slice(2)}`),
  spec: anySpec,
  made,
})

const act = (state: Observed, wanted: 'no' | 'yes' | 'made'): Action['kind'] | undefined => {
  const machine = machineOf(1)
  const wishes = wanted === 'no' ? [] : [wish(machine, wanted === 'made')]
  const actions = reconcile(
    new Map(wishes.map((one) => [one.machine, one])),
    new Map(state === 'absent' ? [] : [[machine, state]]),
  )
  expect(actions.length).toBeLessThan(2)
  return actions[0]?.kind
}

it('does what the table says, for each state and wish', () => {
  const rows = states.map((state) => [state, act(state, 'no'), act(state, 'yes'), act(state, 'made')])
  expect(rows).toEqual([
    ['absent', undefined, 'create', 'lose'],
    ['half', 'destroy', 'destroy', 'destroy'],
    ['creating', 'destroy', undefined, 'destroy'],
    ['ready', 'destroy', undefined, undefined],
    ['suspect', 'destroy', undefined, undefined],
    ['dead', 'destroy', 'clear', 'clear'],
    ['clearing', undefined, undefined, undefined],
    ['buried', 'destroy', undefined, undefined],
    ['destroying', undefined, undefined, undefined],
  ])
})

const host = fc
  .array(fc.tuple(fc.constantFrom(...states), fc.constantFrom('no', 'yes', 'made')), { maxLength: 40 })
  .map((cells) => ({
    observed: new Map(
      cells.flatMap(([state], n): [MachineId, Observed][] =>
        state === 'absent' ? [] : [[machineOf(n), state]],
      ),
    ),
    wanted: new Map(
      cells.flatMap(([, wanted], n): [MachineId, WantedMachine][] =>
        wanted === 'no' ? [] : [[machineOf(n), wish(machineOf(n), wanted === 'made')]],
      ),
    ),
  }))

it('destroys before it creates, and acts on no machine twice', () => {
  fc.assert(
    fc.property(host, ({ wanted, observed }) => {
      const actions = reconcile(wanted, observed)
      const kinds = actions.map(({ kind }) => kind)
      const order = ['destroy', 'clear', 'lose', 'create']
      expect(kinds).toEqual([...kinds].sort((a, b) => order.indexOf(a) - order.indexOf(b)))
      expect(new Set(actions.map(({ machine }) => machine)).size).toBe(actions.length)
    }),
  )
})

it('never makes a machine that was made before, nor ends a wanted one whose guest runs', () => {
  fc.assert(
    fc.property(host, ({ wanted, observed }) => {
      for (const { kind, machine } of reconcile(wanted, observed)) {
        const wish = wanted.get(machine)
        const state = observed.get(machine)
        if (kind === 'create') expect([wish?.made, state]).toEqual([false, undefined])
        if (kind === 'destroy' && (state === 'ready' || state === 'suspect')) expect(wish).toBeUndefined()
      }
    }),
  )
})

/** What each action leads to, when all goes well. */
const after: Record<Action['kind'], Observed> = {
  create: 'ready',
  lose: 'buried',
  clear: 'buried',
  destroy: 'absent',
}

it('comes to rest within three rounds, with no machine there that is not wanted', () => {
  fc.assert(
    fc.property(host, ({ wanted, observed }) => {
      const world = new Map(observed)
      for (const [machine, state] of world) {
        if (state === 'destroying') world.delete(machine)
        if (state === 'clearing') world.set(machine, 'buried')
      }
      for (let round = 0; round < 3; round++) {
        for (const { kind, machine } of reconcile(wanted, world)) {
          if (after[kind] === 'absent') world.delete(machine)
          else world.set(machine, after[kind])
        }
      }
      expect(reconcile(wanted, world)).toEqual([])
      for (const machine of world.keys()) expect(wanted.has(machine)).toBe(true)
    }),
  )
})
