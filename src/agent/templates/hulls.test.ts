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
const planned = (present: readonly Template[], { each = 1, serving = present } = {}) =>
  hullPlan({
    wanted: present.map(({ key }) => ({ key, shape, reserved: false })),
    serve: new Map(serving.map((one) => [one.key, one.id])),
    present,
    each,
  })

describe('of hulls', () => {
  test('the one that is missing of the most wanted template is made first', () => {
    expect(planned([template(1, [1]), template(2), template(3)]).make?.id).toBe(id(2))
    expect(planned([template(1, [1]), template(2, [2])])).toEqual({ make: undefined, drop: [] })
  })
  test('so many of each are made as its host is told', () => {
    expect(planned([template(1, [1])], { each: 2 }).make?.id).toBe(id(1))
    expect(planned([template(1)], { each: 0 }).make).toBeUndefined()
  })
  test('those go whose template serves nobody', () => {
    expect(planned([template(1, [1, 2]), template(2)], { serving: [template(2)] })).toEqual({
      make: template(2),
      drop: [machineOf(1), machineOf(2)],
    })
    expect(planned([template(1, [1])], { each: 0 }).drop).toEqual([machineOf(1)])
  })
  test('none is made that would take the memory of a whole machine', () => {
    expect(planned([{ ...template(1, [1]), mode: 'mapped-ram' }])).toEqual({
      make: undefined,
      drop: [machineOf(1)],
    })
  })
  test('a host keeps so many in all, of what is wanted most', () => {
    const many = Array.from({ length: 20 }, (_, n) => template(n, [n]))
    expect(planned(many).drop).toEqual([16, 17, 18, 19].map(machineOf))
    expect(planned(many, { each: 4 }).drop).toHaveLength(16)
  })
})
