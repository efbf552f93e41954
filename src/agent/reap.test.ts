import fc from 'fast-check'
import { expect, it } from 'vitest'
import { machineOf } from '../../test/agent/world.ts'
import type { Resource } from './drivers/driver.ts'
import { strays, sweep } from './reap.ts'

const overlay = (n: number): Resource => ({
  kind: 'overlay',
  name: `slw.local.${machineOf(n)}`,
  machine: machineOf(n),
})
const spare: Resource = { kind: 'namespace', name: 'slw.local.spare-1', kept: true }
const orphan: Resource = { kind: 'namespace', name: 'slw.local.spare-2' }

it('finds what no machine accounts for, and leaves what the driver keeps', () => {
  const found = strays([overlay(1), overlay(2), spare, orphan], new Set([machineOf(1)]))
  expect(found).toEqual([overlay(2), orphan])
})

it('a kept resource of a machine that is gone is a stray all the same', () => {
  const left = { ...overlay(1), kept: true }
  expect(strays([left], new Set())).toEqual([left])
})

it('removes a stray when it is seen for the second time in a row, not before', () => {
  const first = sweep([overlay(1)], new Set())
  expect(first.remove).toEqual([])
  expect(sweep([overlay(1), overlay(2)], first.seen).remove).toEqual([overlay(1)])
  const between = sweep([], first.seen)
  expect(sweep([overlay(1)], between.seen).remove).toEqual([])
})

it('never removes what is expected, nor what was not listed twice', () => {
  const some = fc.subarray([1, 2, 3, 4, 5, 6])
  fc.assert(
    fc.property(some, some, some, (before, now, expected) => {
      const owners = new Set(expected.map(machineOf))
      const { seen } = sweep(strays(before.map(overlay), owners), new Set())
      const { remove } = sweep(strays(now.map(overlay), owners), seen)
      const right = now.filter((n) => before.includes(n) && !expected.includes(n))
      expect(remove).toEqual(right.map(overlay))
    }),
  )
})
