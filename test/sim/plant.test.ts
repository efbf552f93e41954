/** A bug whose place has changed is planted nowhere and found by nobody: the tables must follow the code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { canaries } from './canaries.ts'
import { mutations } from './mutations.ts'
import { mutate } from './plant.ts'

const source = (file: string): string => readFileSync(join(import.meta.dirname, '../..', file), 'utf8')

test.each([...mutations, ...canaries])('$name still has its place in the code', (mutation) => {
  expect(mutate(mutation, source(mutation.file))).toContain(mutation.to)
})

test('a place that is gone, or stands twice, is refused', () => {
  const mutation = { name: 'x', what: '', file: 'a.ts', from: 'one', to: 'two' }
  expect(() => mutate(mutation, 'nothing')).toThrow('stands 0 times')
  expect(() => mutate(mutation, 'one one')).toThrow('stands 2 times')
})
