/**
 * The seeds of CI, and what they are worth: bugs planted one at a time must be found, and each invariant must cry out
 * over a system made wrong for it. Every run is a process of its own, so that a bug is planted before its file loads.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { canaries } from './canaries.ts'
import { checkers } from './checkers/index.ts'
import { mutations } from './mutations.ts'
import { hunt } from './planted.ts'

const SEEDS = 500
const CANARY_SEEDS = 200
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

async function sim(...flags: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...flags], {
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

test(`${SEEDS} seeds keep every invariant`, async () => {
  expect(await sim('--seeds', `${SEEDS}`)).toContain('all held')
})

test('a seed replays to the letter', async () => {
  const [first, second] = [await sim('--seed', '7'), await sim('--seed', '7')]
  const trace = (text: string) => text.slice(0, text.indexOf('seeds 7 to 7'))
  expect(trace(first).length).toBeGreaterThan(10_000)
  expect(trace(second)).toBe(trace(first))
})

test('at least nine of ten planted bugs are found', async () => {
  const missed: string[] = []
  for (const mutation of mutations) {
    const { seed } = await hunt(mutation, SEEDS)
    if (seed === undefined) missed.push(mutation.name)
  }
  expect(missed.length, missed.join(', ')).toBeLessThanOrEqual(mutations.length * 0.1)
})

test('every invariant has a canary', () => {
  const names = checkers.map((make) => make().name)
  expect(new Set(canaries.map(({ checker }) => checker))).toEqual(new Set([...names, 'no-bug']))
})

test.each(canaries)('$checker cries out when $what', async (canary) => {
  expect((await hunt(canary, CANARY_SEEDS, canary.checker)).invariant).toBe(canary.checker)
})
