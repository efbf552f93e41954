/** What the coordinator is meant to do, told in small texts that a person can read and a diff can show. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { play } from './play.ts'

const folder = import.meta.dirname
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'))

test.each(names)('%s', (name) => {
  const file = join(folder, name)
  const told = readFileSync(file, 'utf8')
  const now = play(told)
  if (process.env.SLIPWAY_SCENARIOS === 'write') writeFileSync(file, now)
  else expect(now).toBe(told)
})

test('a scenario that tells it otherwise fails', () => {
  const [first = ''] = names
  const told = readFileSync(join(folder, first), 'utf8')
  expect(play(told)).not.toBe(told.replace('lease_granted', 'lease_ended'))
})
