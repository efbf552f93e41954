/** The specification points at tests that are there. Whether they hold what it says is for a reader to judge. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const top = join(import.meta.dirname, '..')

interface Pointer {
  readonly file: string
  readonly names: readonly string[]
}

/** `a/b.ts` "a name" "another name" */
const pointersOf = (text: string): readonly Pointer[] =>
  [...text.matchAll(/`((?:test|src|bench)\/[^`]+\.ts)`((?: "[^"]+")*)/g)].map(
    ([, file = '', names = '']) => ({
      file,
      names: [...names.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name),
    }),
  )

const missing = (pointers: readonly Pointer[]): readonly string[] =>
  pointers.flatMap(({ file, names }) => {
    const path = join(top, file)
    if (!existsSync(path)) return [file]
    const text = readFileSync(path, 'utf8')
    return names.filter((name) => !text.includes(name)).map((name) => `${file}: ${name}`)
  })

const specification = readFileSync(join(top, 'SPECIFICATION.md'), 'utf8')

test('every test that the specification names is there', () => {
  expect(pointersOf(specification).length).toBeGreaterThan(40)
  expect(missing(pointersOf(specification))).toEqual([])
})

test('a test that is not there is missed', () => {
  const self = '`test/specification.test.ts`'
  expect(missing(pointersOf(`${self} "is not${' '}here at all"; \`src/nowhere.ts\``))).toEqual([
    `test/specification.test.ts: is not${' '}here at all`,
    'src/nowhere.ts',
  ])
})

test('every promise is held, or openly pending', () => {
  const rows = specification.split('\n').filter((line) => /^\| [A-Z]\d/.test(line))
  expect(rows.filter((line) => pointersOf(line).length === 0 && !line.includes('_pending_'))).toEqual([])
})
