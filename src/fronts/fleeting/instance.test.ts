import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LeaseName } from '../../model/index.ts'
import { instanceName, ofGroup, Told } from './instance.ts'

describe('an instance’s name', () => {
  test('is of the group that made it, and of no other', () => {
    const group = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/)
    fc.assert(
      fc.property(group, group, fc.stringMatching(/^[0-9a-z]{26}$/), (one, two, id) => {
        const name = instanceName(one, id)
        expect(ofGroup(one, name)).toBe(name)
        expect(ofGroup(two, name)).toBe(one === two ? name : undefined)
      }),
    )
  })

  test.each([
    '',
    'fleeting',
    'fleeting.a',
    'fleeting.a.b.c',
    'gitlab-1-a',
    'fleeting.a.',
    'fleeting.a.../../x',
  ])('%j is nobody’s', (text) => expect(ofGroup('a', text)).toBeUndefined())
})

describe('what a runner is told', () => {
  const name = (id: string): LeaseName => instanceName('g', id)
  const one = name('1')

  test('an instance it was promised is listed once, even if it is over before the first look', () => {
    const told = new Told()
    told.promise(one)
    expect(told.next([])).toEqual({ list: [{ instance: one, state: 'creating' }], over: [] })
    expect(told.next([])).toEqual({ list: [{ instance: one, state: 'deleted' }], over: [one] })
  })

  test('an instance that is over is said to be so a few times, and its end is found once', () => {
    const told = new Told()
    expect(told.next([{ instance: one, state: 'running' }]).list).toEqual([
      { instance: one, state: 'running' },
    ])
    const after = Array.from({ length: 6 }, () => told.next([]))
    expect(after.map(({ list }) => list.length)).toEqual([1, 1, 1, 1, 0, 0])
    expect(after.map(({ over }) => over.length)).toEqual([1, 0, 0, 0, 0, 0])
  })

  test('an instance that it gave back itself is not mentioned again', () => {
    const told = new Told()
    told.next([{ instance: one, state: 'running' }])
    told.forget(one)
    expect(told.next([])).toEqual({ list: [], over: [] })
  })

  test('every live lease is listed as it is, whatever was told before', () => {
    const ids = fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { maxLength: 6 })
    fc.assert(
      fc.property(fc.array(fc.tuple(ids, ids)), (rounds) => {
        const told = new Told()
        for (const [promised, live] of rounds) {
          for (const id of promised) told.promise(name(String(id)))
          const leases = live.map((id) => ({ instance: name(String(id)), state: 'running' as const }))
          const { list } = told.next(leases)
          expect(list.filter(({ state }) => state === 'running')).toEqual(leases)
          expect(new Set(list.map(({ instance }) => instance)).size).toBe(list.length)
        }
      }),
    )
  })
})
