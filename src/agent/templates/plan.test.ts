import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ImageDigest, parseId, type TemplateId, type TemplateShape } from '../../model/index.ts'
import type { Template } from '../drivers/driver.ts'
import { type TemplatePlan, type TemplateView, templatePlan, type WantedKey } from './plan.ts'

const HOUR = 3_600_000
const NOW = 1_000 * HOUR
const image = (n: number): ImageDigest => parseId('ImageDigest', `sha256:${String(n).padStart(64, '0')}`)
const id = (n: number): TemplateId => parseId('TemplateId', `t-${String(n).padStart(26, '0')}`)
const shape = (n: number): TemplateShape => ({
  image: image(n),
  vcpus: 1,
  memoryMiB: 1024,
  diskGiB: 8,
  sharing: 'host',
})
const key = (n: number): string => `key ${n}`
const want = (n: number, reserved = true): WantedKey => ({ key: key(n), shape: shape(n), reserved })
interface There {
  readonly n: number
  readonly of: number
  readonly ageMs?: number
  readonly clones?: number
  readonly diskMiB?: number
  readonly stale?: boolean
}
const template = ({ n, of, ageMs = HOUR, clones = 0, diskMiB = 500, stale = false }: There): Template => ({
  id: id(n),
  key: key(of),
  shape: shape(of),
  mode: 'shared-memory',
  builtAtMs: NOW - ageMs,
  diskMiB,
  clones,
  hulls: [],
  stale,
})
const view = (there: readonly There[], changes: Partial<TemplateView> = {}): TemplateView => ({
  wanted: [],
  present: there.map(template),
  keysNow: new Map(there.map(({ n, of }) => [id(n), key(of)])),
  bad: new Set(),
  building: undefined,
  failed: new Map(),
  images: new Set([1, 2, 3, 4].map(image)),
  nowMs: NOW,
  limits: { ageMsMax: 24 * HOUR, diskMiBMax: 10_000, hulls: 1 },
  ...changes,
})
const built = ({ build }: TemplatePlan) => build?.key

describe('a template is built', () => {
  test('when it is wanted and not there, the most wanted first', () => {
    expect(built(templatePlan(view([], { wanted: [want(2), want(1)] })))).toBe(key(2))
  })
  test('one at a time', () => {
    const plan = templatePlan(view([], { wanted: [want(1), want(2)], building: want(1) }))
    expect(plan.build).toBeUndefined()
  })
  test('not twice', () => {
    expect(built(templatePlan(view([{ n: 1, of: 1 }], { wanted: [want(1)] })))).toBeUndefined()
  })
  test('anew when it is too old, while the old one serves', () => {
    const plan = templatePlan(view([{ n: 1, of: 1, ageMs: 25 * HOUR }], { wanted: [want(1)] }))
    expect(built(plan)).toBe(key(1))
    expect(plan.serve.get(key(1))).toBe(id(1))
    expect(plan.states.get(id(1))).toBe('ready')
    expect(plan.remove).toEqual([])
  })
  test('anew when somebody says so, while the old one serves', () => {
    const plan = templatePlan(view([{ n: 1, of: 1, stale: true }], { wanted: [want(1)] }))
    expect(built(plan)).toBe(key(1))
    expect(plan.serve.get(key(1))).toBe(id(1))
  })
  test('in reserved room only', () => {
    const plan = templatePlan(view([], { wanted: [want(1, false), want(2, true)] }))
    expect(built(plan)).toBe(key(2))
    expect(plan.blocked.get(key(1))).toBe('room')
  })
  test('later and later after it failed', () => {
    const blockedAfter = (count: number, agoMs: number) => {
      const failed = new Map([[key(1), { count, lastAtMs: NOW - agoMs }]])
      return templatePlan(view([], { wanted: [want(1)], failed })).blocked.get(key(1))
    }
    expect(blockedAfter(1, 59_000)).toBe('failed')
    expect(blockedAfter(1, 61_000)).toBeUndefined()
    expect(blockedAfter(2, 61_000)).toBe('failed')
    expect(blockedAfter(50, 3 * HOUR)).toBeUndefined()
  })
  test('for the next one when the first is blocked', () => {
    const failed = new Map([[key(1), { count: 1, lastAtMs: NOW }]])
    expect(built(templatePlan(view([], { wanted: [want(1), want(2)], failed })))).toBe(key(2))
  })
})

describe('a template serves', () => {
  test('when it is the newest of its key; the others retire', () => {
    const plan = templatePlan(
      view(
        [
          { n: 1, of: 1, ageMs: 2 * HOUR, clones: 1 },
          { n: 2, of: 1 },
        ],
        { wanted: [want(1)] },
      ),
    )
    expect(plan.serve.get(key(1))).toBe(id(2))
    expect(plan.states.get(id(1))).toBe('retiring')
    expect(plan.remove).toEqual([])
  })
  test('no more once its shape has another name, or none', () => {
    const there = [{ n: 1, of: 1, clones: 3 }]
    for (const keysNow of [new Map([[id(1), 'key of a new QEMU']]), new Map()]) {
      const plan = templatePlan(view(there, { wanted: [want(1)], keysNow }))
      expect(plan.serve.size).toBe(0)
      expect(plan.states.get(id(1))).toBe('retiring')
    }
  })
  test('no more once its image is gone', () => {
    const plan = templatePlan(view([{ n: 1, of: 1 }], { images: new Set() }))
    expect(plan.serve.size).toBe(0)
    expect(plan.remove).toEqual([id(1)])
  })
  test('no more once clones of it failed, and a successor is built', () => {
    const plan = templatePlan(
      view([{ n: 1, of: 1, clones: 1 }], { wanted: [want(1)], bad: new Set([id(1)]) }),
    )
    expect(plan.serve.size).toBe(0)
    expect(plan.states.get(id(1))).toBe('bad')
    expect(built(plan)).toBe(key(1))
  })
  test('though nobody wants it now, until it is too old', () => {
    expect(templatePlan(view([{ n: 1, of: 1 }])).serve.get(key(1))).toBe(id(1))
    const old = templatePlan(view([{ n: 1, of: 1, ageMs: 25 * HOUR }]))
    expect(old.remove).toEqual([id(1)])
  })
})

describe('room on the disk', () => {
  const limits = { ageMsMax: 24 * HOUR, diskMiBMax: 2_100, hulls: 1 }
  test('is made of the oldest that are idle and unwanted', () => {
    const there = [
      { n: 1, of: 1, ageMs: 3 * HOUR },
      { n: 2, of: 2, ageMs: 2 * HOUR },
      { n: 3, of: 3 },
    ]
    const plan = templatePlan(view(there, { wanted: [want(4), want(3)], limits }))
    expect(plan.remove).toEqual([id(1)])
    expect(built(plan)).toBe(key(4))
  })
  test('is not made of those in use', () => {
    const there = [1, 2, 3].map((n) => ({ n, of: n, clones: 1 }))
    const plan = templatePlan(view(there, { wanted: [want(4)], limits }))
    expect(plan.remove).toEqual([])
    expect(plan.blocked.get(key(4))).toBe('disk')
  })
})

describe('whatever there is', () => {
  const there = fc.uniqueArray(
    fc.record({
      n: fc.nat(20),
      of: fc.integer({ min: 1, max: 4 }),
      ageMs: fc.integer({ min: 0, max: 48 * HOUR }),
      clones: fc.nat(2),
      diskMiB: fc.integer({ min: 1, max: 3_000 }),
    }),
    { selector: ({ n }) => n },
  )
  const changes = fc.record({
    wanted: fc.uniqueArray(fc.integer({ min: 1, max: 4 })).map((all) => all.map((n) => want(n))),
    bad: fc.array(fc.nat(20)).map((all) => new Set(all.map(id))),
    images: fc.array(fc.integer({ min: 1, max: 4 })).map((all) => new Set(all.map(image))),
    building: fc.option(
      fc.integer({ min: 1, max: 4 }).map((n) => want(n)),
      { nil: undefined },
    ),
  })
  const always = (holds: (view: TemplateView, plan: TemplatePlan) => void) =>
    fc.assert(
      fc.property(there, changes, (all, changed) => {
        const seen = view(all, changed)
        holds(seen, templatePlan(seen))
      }),
    )

  test('nothing is removed that a machine lives on', () => {
    always(({ present }, { remove }) => {
      for (const { id, clones } of present) if (clones > 0) expect(remove).not.toContain(id)
    })
  })
  test('nothing that serves a wanted key is removed, and nothing bad serves', () => {
    always(({ wanted, bad }, { remove, serve }) => {
      for (const { key } of wanted) expect(remove).not.toContain(serve.get(key))
      for (const id of serve.values()) expect(bad.has(id)).toBe(false)
    })
  })
  test('the disk budget holds after each build', () => {
    always(({ present, limits }, { build, remove }) => {
      if (build === undefined) return
      const kept = present.filter(({ id }) => !remove.includes(id))
      const all = kept.reduce((sum, { diskMiB }) => sum + diskMiB, 0)
      expect(all).toBeLessThanOrEqual(limits.diskMiBMax)
    })
  })
  test('a second build is never begun', () => {
    always(({ building }, { build }) => {
      if (building !== undefined) expect(build).toBeUndefined()
    })
  })
  test('each has a state', () => {
    always(({ present }, { states }) => {
      expect([...states.keys()]).toEqual(present.map(({ id }) => id))
    })
  })
})
