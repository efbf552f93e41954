import { expect, it } from 'vitest'
import { machineOf } from '../../test/agent/world.ts'
import { audit, leaks } from './audit.ts'
import type { Resource } from './drivers/driver.ts'

const [a, b] = [machineOf(1), machineOf(2)]
const overlay = (machine = a): Resource => ({ kind: 'overlay', name: `slw.local.${machine}`, machine })
const spare: Resource = { kind: 'namespace', name: 'slw.local.spare-1', kept: true }
const none = new Set<never>()
const fair = { listed: [], wanted: none, excused: none, removing: none }

it('finds nothing where all that is there is wanted, or kept on purpose', () => {
  expect(audit({ ...fair, listed: [overlay(), spare], wanted: new Set([a]) })).toEqual([])
})

it('names what is there and not wanted', () => {
  expect(audit({ ...fair, listed: [overlay(b)], wanted: none })).toEqual([
    { kind: 'overlay', name: `slw.local.${b}`, problem: 'unwanted', machine: b },
  ])
})

it('names a wanted machine of which there is nothing, unless it is being made or known to be dead', () => {
  const missing = [{ kind: 'machine', name: a, problem: 'missing', machine: a }]
  expect(audit({ ...fair, wanted: new Set([a]) })).toEqual(missing)
  expect(audit({ ...fair, wanted: new Set([a]), excused: new Set([a]) })).toEqual([])
})

it('gives a removal its time', () => {
  expect(audit({ ...fair, listed: [overlay()], removing: new Set([a]) })).toEqual([])
})

it('where nothing is wanted all is a leak but what a driver keeps', () => {
  expect(leaks([overlay(), spare])).toEqual([
    { kind: 'overlay', name: `slw.local.${a}`, problem: 'unwanted', machine: a },
  ])
})
