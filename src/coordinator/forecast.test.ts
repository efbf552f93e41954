import { describe, expect, test } from 'vitest'
import { parseId } from '../model/index.ts'
import { forecast, Memory, type Waits } from './forecast.ts'

const waits = (change: Partial<Waits>): Waits => ({
  position: 1,
  reason: undefined,
  makingMs: [],
  running: [],
  madeMs: [4_000, 5_000, 9_000],
  ...change,
})
const running = (...ranMs: readonly number[]): Waits['running'] =>
  ranMs.map((each) => ({ ranMs: each, leaseMs: [50_000, 60_000, 600_000] }))

describe('a lease that waits has to go', () => {
  test.each<[string, Partial<Waits>, number | undefined]>([
    ['what its machine in the making still takes', { makingMs: [1_000] }, 4_000],
    ['nothing, when that has taken longer than usual', { makingMs: [8_000] }, 0],
    ['what the oldest takes, standing first', { position: 1, makingMs: [1_000, 3_000] }, 2_000],
    ['what the second takes, standing second', { position: 2, makingMs: [1_000, 3_000] }, 4_000],
    ['a whole making, when one is made for it now', { position: 2, makingMs: [1_000] }, 5_000],
    ['until the limit lets one in, and a making', { reason: 'too_busy', running: running(10_000) }, 55_000],
    [
      'until the first of those that run ends',
      { reason: 'no_capacity', running: running(10_000, 40_000) },
      25_000,
    ],
    [
      'until the second ends, standing second',
      { position: 2, reason: 'too_busy', running: running(10_000, 40_000) },
      55_000,
    ],
    [
      'a round more, when more wait than run',
      { position: 2, reason: 'too_busy', running: running(10_000) },
      115_000,
    ],
    ['as long as those that ran as long had', { reason: 'too_busy', running: running(70_000) }, 535_000],
    [
      'round by round, where few are made at a time',
      { position: 5, reason: 'growth_limited', makingMs: [1_000, 0] },
      14_000,
    ],
  ])('%s', (_, change, ms) => {
    expect(forecast(waits(change))).toBe(ms)
  })

  test.each<[string, Partial<Waits>]>([
    ['no machine of its flavor was made lately', { madeMs: [], makingMs: [1_000] }],
    ['no job of the flavor has ended lately', { reason: 'too_busy', running: [{ ranMs: 5, leaseMs: [] }] }],
    ['those that run have run longer than any before', { reason: 'too_busy', running: running(700_000) }],
    ['nothing runs whose end would help', { reason: 'no_capacity' }],
    ['no host is there', { reason: 'no_host', running: running(10_000) }],
    ['none is in the making that it could get', { reason: 'idle_only' }],
  ])('nobody knows how long, when %s', (_, change) => {
    expect(forecast(waits(change))).toBeUndefined()
  })
})

test('the last fifty are remembered', () => {
  const memory = new Memory()
  const flavor = parseId('FlavorName', 'tiny')
  expect(memory.of(flavor)).toEqual({ makingMs: [], leaseMs: [] })
  for (let n = 0; n < 60; n += 1) memory.made(flavor, n)
  memory.released(flavor, 7)
  expect(memory.of(flavor).makingMs).toHaveLength(50)
  expect(memory.of(flavor).makingMs.at(-1)).toBe(59)
  expect(memory.of(flavor).leaseMs).toEqual([7])
})
