import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { lineOf } from './line-of.ts'
import { readSettings } from './settings.ts'
import { parseToml, readToml } from './toml.ts'

const schema = z.strictObject({ size: z.int().default(3), name: z.string().optional() })
let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'toml-'))
})
afterAll(() => rm(dir, { recursive: true }))

const badConfig = (file: string, detail: string) =>
  expect.objectContaining({ code: 'bad_config', args: { file, detail } })

test('an absent file is an empty one', async () => {
  expect(await readToml(join(dir, 'none.toml'), schema)).toEqual({ size: 3 })
})

test('a file that cannot be read, or is no configuration by its size, is refused by name', async () => {
  const folder = join(dir, 'folder.toml')
  await mkdir(folder)
  await expect(readToml(folder, schema)).rejects.toEqual(badConfig(folder, 'it cannot be read (EISDIR)'))
  const huge = join(dir, 'huge.toml')
  await writeFile(huge, `# ${'x'.repeat(256 * 1024)}`)
  await expect(readToml(huge, schema)).rejects.toEqual(badConfig(huge, 'it is larger than 262144 bytes'))
})

test('all mistakes of a file are told at once', () => {
  expect(() => parseToml('f', 'name = 1\nsize = 0.5\n', schema)).toThrow(
    badConfig(
      'f',
      'line 2, size: Invalid input: expected int, received number; line 1, name: Invalid input: expected string, received number',
    ),
  )
})

test('what is no TOML is refused where that shows', () => {
  expect(() => parseToml('f', 'size = 3\n= 3\n', schema)).toThrow(
    expect.objectContaining({ args: { file: 'f', detail: expect.stringMatching(/^line 2, column \d+: /) } }),
  )
})

describe('the line of', () => {
  const text = [
    'top = 1',
    '[a.b]',
    'key = 2',
    '"quoted" = 3',
    '[[list]]',
    'key = 4',
    '[[list]]',
    'key = [',
    ']',
    '[list.table]',
    'key = 5',
    '[[list.inner]]',
    'key = 6',
    '[[list]]',
    '[[list.inner]]',
    'key = 7',
  ]
  test.each([
    ['a key', ['top'], 1],
    ['a table', ['a', 'b'], 2],
    ['a key of a table', ['a', 'b', 'key'], 3],
    ['a quoted key', ['a', 'b', 'quoted'], 4],
    ['a key of the first of several', ['list', 0, 'key'], 6],
    ['an item of a list', ['list', 1, 'key', 0], 8],
    ['a missing key is that of its table', ['list', 1, 'other'], 7],
    ['a key of a table within the last of several', ['list', 1, 'table', 'key'], 11],
    ['a key of several within one of several', ['list', 1, 'inner', 0, 'key'], 13],
    ['a key of several within the next of several', ['list', 2, 'inner', 0, 'key'], 16],
    ['what stands nowhere is unknown', ['none'], undefined],
  ])('%s', (_, path, line) => {
    expect(lineOf(text.join('\n'), path)).toBe(line)
  })
})

describe('settings', () => {
  const nested = z.strictObject({
    size: z.int().default(3),
    name: z.string().optional(),
    limits: z.strictObject({ low: z.int().default(1), high: z.int().optional() }).prefault({}),
    list: z.array(z.strictObject({ key: z.int(), other: z.int().default(7) })).optional(),
    words: z.array(z.string()).default([]),
  })
  const settings = async (name: string, text: string, absent?: object) => {
    const file = join(dir, name)
    await writeFile(file, text)
    return (await readSettings(file, nested, absent)).map(({ key, value, line }) => [key, value, line])
  }

  test('are all keys there are, each with the line it is written in, or none where it is the default', async () => {
    const text =
      'name = "a"\nwords = ["b"]\n[limits]\nhigh = 9\n[[list]]\nkey = 1\n[[list]]\nother = 2\nkey = 3\n'
    expect(await settings('all.toml', text)).toEqual([
      ['size', 3, undefined],
      ['name', 'a', 1],
      ['limits.low', 1, undefined],
      ['limits.high', 9, 4],
      ['list[0].key', 1, 6],
      ['list[0].other', 7, undefined],
      ['list[1].key', 3, 9],
      ['list[1].other', 2, 8],
      ['words', ['b'], 2],
    ])
  })

  test('say what holds where a table is absent', async () => {
    expect(await settings('absent.toml', 'size = 4\n', { list: [{ key: 5 }] })).toEqual([
      ['size', 4, 1],
      ['name', undefined, undefined],
      ['limits.low', 1, undefined],
      ['limits.high', undefined, undefined],
      ['list[0].key', 5, undefined],
      ['list[0].other', 7, undefined],
      ['words', [], undefined],
    ])
  })
})
