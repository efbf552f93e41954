import { expect, test } from 'vitest'
import { judgeCloning } from './cloning.ts'

const properties = new Set(['mem-path', 'share', 'readonly', 'rom'])
const capabilities = new Set(['x-ignore-shared', 'mapped-ram', 'multifd', 'events'])
const without = (set: ReadonlySet<string>, ...names: readonly string[]) =>
  new Set([...set].filter((name) => !names.includes(name)))

test('a QEMU with rom= shares memory', () => {
  expect(judgeCloning({ capabilities, properties })).toMatchObject({ mode: 'shared-memory', canCopy: true })
})
test('one without rom= never gets a shared memory file, and says why', () => {
  const judged = judgeCloning({ capabilities, properties: without(properties, 'rom') })
  expect(judged.mode).toBe('mapped-ram')
  expect(judged.evidence).toContain('rom=')
})
test('one that cannot leave memory out of its state copies it', () => {
  const judged = judgeCloning({ capabilities: without(capabilities, 'x-ignore-shared'), properties })
  expect(judged).toMatchObject({ mode: 'mapped-ram', evidence: expect.stringContaining('x-ignore-shared') })
})
test('one that can do neither boots its machines', () => {
  const old = without(capabilities, 'mapped-ram', 'multifd')
  expect(judgeCloning({ capabilities: old, properties: without(properties, 'rom') })).toMatchObject({
    mode: 'cold',
    canCopy: false,
  })
})
test('one that said nothing boots its machines', () => {
  expect(judgeCloning({ capabilities: new Set(), properties: new Set() }).mode).toBe('cold')
})
