import { describe, expect, test } from 'vitest'
import { declarations, GROUPS } from '../declarations.ts'
import { complete } from './complete.ts'

const asked: string[] = []
const after = async (line: string): Promise<readonly string[] | 'files'> => {
  const completion = await complete({
    words: line.split(' '),
    declarations,
    groups: GROUPS,
    lookUp: async (kind) => {
      asked.push(kind)
      return ['a1', 'a2', 'b1'].map((word) => ({ word, says: kind }))
    },
  })
  return completion.files ? 'files' : completion.candidates.map(({ word }) => word)
}

test('a first word is a command or a group, once, and none that help does not show', async () => {
  const words = await after('')
  expect(words).toEqual([...new Set(words)])
  expect(words).toEqual(expect.arrayContaining(['run', 'image', 'config', 'doctor']))
  expect(words).not.toContain('coordinator')
  expect(words).not.toContain('complete')
})

describe.each<[string, readonly string[] | 'files']>([
  ['im', ['image']],
  ['image ', ['build', 'import', 'ls', 'inspect', 'rm', 'prune']],
  ['image p', ['prune']],
  ['image rm a', ['a1', 'a2']],
  ['image rm a1 b', ['b1']],
  ['image import ', 'files'],
  ['image import disk.qcow2 ', []],
  ['image import --digest x ', 'files'],
  ['run ', ['a1', 'a2', 'b1']],
  ['run a1 ', []],
  ['run --timeout 5m a', ['a1', 'a2']],
  ['run a1 --im', ['--image']],
  ['run --image a', ['a1', 'a2']],
  ['run --quiet b', ['b1']],
  ['run -q b', ['b1']],
  ['run a1 -- ', []],
  ['run a1 -- --', []],
  ['ls --', ['--all', '--quiet', '--json', '--config', '--no-color', '--help']],
  ['--config ', 'files'],
  ['--config /etc im', ['image']],
  ['nonsense ', []],
])('after "%s"', (line, expected) => {
  test('comes what may come', async () => {
    expect(await after(line)).toEqual(expected)
  })
})

test('names are asked for by what a declaration calls them', async () => {
  asked.splice(0)
  for (const line of ['ssh ', 'explain ', 'run ', 'image rm ', 'token revoke ', 'completion '])
    await after(line)
  expect(asked).toEqual(['machine', 'lease', 'flavor', 'image', 'runner', 'shell'])
})
