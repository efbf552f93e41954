import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anySpec, machineOf } from '../../../test/agent/world.ts'
import { parseId, shapeOf, type TemplateId } from '../../model/index.ts'
import type { Template } from '../drivers/driver.ts'
import { hullPlan } from './hulls.ts'

const id = (n: number): TemplateId => parseId('TemplateId', `t-${String(n).padStart(26, '0')}`)
const shape = shapeOf(anySpec)

const template = (n: number, hulls: readonly number[] = []): Template => ({
  id: id(n),
  key: `key ${n}`,
  shape,
  mode: 'shared-memory',
  builtAtMs: 0,
  diskMiB: 1,
  clones: 0,
  hulls: hulls.map(machineOf),
  stale: false,
})
const planned = (present: readonly Template[], { hulls = present.length, serving = present } = {}) =>
  hullPlan({
    wanted: present.map(({ key }) => ({ key, shape, reserved: false })),
    serve: new Map(serving.map((one) => [one.key, one.id])),
    present,
    hulls,
  })

const counted = (...counts: readonly number[]) =>
  counts.map((count, n) =>
    template(
      n,
      Array.from({ length: count }, (_, i) => 100 * n + i),
    ),
  )

describe('of hulls', () => {
  test('the one that is missing of the most wanted template is made first', () => {
    expect(planned([template(1, [1]), template(2), template(3)]).make?.id).toBe(id(2))
    expect(planned([template(1, [1]), template(2, [2])])).toEqual({ make: undefined, drop: [] })
  })
  test('a host keeps as many as it is told in all', () => {
    expect(planned([template(1, [1])], { hulls: 2 }).make?.id).toBe(id(1))
    expect(planned([template(1, [1, 2])], { hulls: 2 }).make).toBeUndefined()
    expect(planned([template(1)], { hulls: 0 }).make).toBeUndefined()
  })
  test('templates share them', () => {
    expect(planned(counted(8, 0), { hulls: 8 })).toMatchObject({
      make: { id: id(1) },
      drop: [4, 5, 6, 7].map(machineOf),
    })
    expect(planned(counted(2, 1, 1), { hulls: 8 }).make?.id).toBe(id(1))
    expect(planned(counted(3, 3, 2), { hulls: 8 })).toEqual({ make: undefined, drop: [] })
    expect(planned(counted(2, 3, 3), { hulls: 8 })).toEqual({ make: undefined, drop: [] })
  })
  test('those go whose template serves nobody', () => {
    expect(planned([template(1, [1, 2]), template(2)], { serving: [template(2)] })).toEqual({
      make: template(2),
      drop: [machineOf(1), machineOf(2)],
    })
    expect(planned([template(1, [1])], { hulls: 0 }).drop).toEqual([machineOf(1)])
  })
  test('none is made that would take the memory of a whole machine', () => {
    expect(planned([{ ...template(1, [1]), mode: 'mapped-ram' }])).toEqual({
      make: undefined,
      drop: [machineOf(1)],
    })
  })
  test('of more templates than that, those that are wanted most have one each', () => {
    expect(planned(counted(1, 1, 1, 0, 0), { hulls: 2 })).toEqual({ make: undefined, drop: [machineOf(200)] })
  })
  test('following the plan comes to an end, with all in stock', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 12 }),
        fc.nat({ max: 16 }),
        settles,
      ),
    )
  })
})

function settles(counts: number[], hulls: number): void {
  let templates: readonly Template[] = counted(...counts)
  let next = 10_000
  for (let turn = 0; turn <= hulls + 1; turn++) {
    const { make, drop } = planned(templates, { hulls })
    if (make === undefined && drop.length === 0) break
    const there = (one: Template) => one.hulls.filter((hull) => !drop.includes(hull))
    templates = templates.map((one) => ({
      ...one,
      hulls: one.id === make?.id ? [...there(one), machineOf(next++)] : there(one),
    }))
  }
  expect(planned(templates, { hulls })).toEqual({ make: undefined, drop: [] })
  expect(templates.flatMap((one) => one.hulls)).toHaveLength(hulls)
}
