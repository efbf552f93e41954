/** A replay's figures on days small enough to reckon by hand, and the same for the same day. */
import { describe, expect, test } from 'vitest'
import { drawnDay } from '../../../test/policy/day.ts'
import { parseId } from '../../model/index.ts'
import { parseConfig } from '../config.ts'
import { replay } from './replay.ts'
import { parseTrace, type TraceJob } from './trace.ts'

const MINUTE_MS = 60_000
const debian = parseId('FlavorName', 'debian')
const shop = parseId('TrustDomain', 'shop')
const NINE = Date.parse('2026-11-23T08:00:00Z')
const job = (askedMinute: number, minutes: number): TraceJob => ({
  askedAtMs: NINE + askedMinute * MINUTE_MS,
  durationMs: minutes * MINUTE_MS,
  flavor: debian,
  trustDomain: shop,
})

const played = (jobs: readonly TraceJob[], ...lines: readonly string[]) => {
  const text = ['[[flavor]]', 'name = "debian"', 'image = "debian"', ...lines].join('\n')
  const { flavors, policies } = parseConfig(text, 'f')
  const capacity = { vcpus: 16, memoryMiB: 1e9, diskMiB: 1e9 }
  const hosts = [{ host: parseId('HostId', 'h1'), capacity }]
  const report = replay({ jobs, flavors, policies, hosts, makingMs: 10_000, goingMs: 2_000 })
  return { ...report.flavors[0], unserved: report.unserved }
}

describe('jobs wait', () => {
  test('for their machines to be made where none is kept', () => {
    const three = [job(0, 5), job(1, 5), job(2, 5)]
    expect(played(three)).toMatchObject({ jobs: 3, atOnce: 0, machines: 3, machinesMax: 3, unserved: 0 })
    expect(played(three).waitMs).toEqual({ p50: 10_000, p95: 10_000, p99: 10_000, max: 10_000 })
  })

  test('not at all where one is kept for each', () => {
    expect(played([job(0, 5), job(1, 5), job(2, 5)], 'idle_count = 1')).toMatchObject({
      atOnce: 2,
      waitMs: { p50: 0, max: 10_000 },
    })
  })

  test('for each other where there may be but one, its going included', () => {
    expect(played([job(0, 5), job(0, 5)], 'limit = 1').waitMs?.max).toBe(5 * MINUTE_MS + 22_000)
  })

  test('for each other where a host is full', () => {
    const crowd = Array.from({ length: 9 }, () => job(0, 5))
    expect(played(crowd)).toMatchObject({
      machinesMax: 8,
      waitMs: { p50: 10_000, max: 5 * MINUTE_MS + 22_000 },
    })
  })

  test('in the machines’ making where no more are made at a time', () => {
    const crowd = Array.from({ length: 4 }, () => job(0, 5))
    expect(played(crowd, 'max_growth_rate = 2').waitMs).toMatchObject({ p50: 10_000, max: 20_000 })
  })

  test('for ever where nothing fits', () => {
    const { unserved, jobs } = played([job(0, 5), job(1, 5)], 'vcpus = 32')
    expect([unserved, jobs]).toEqual([2, undefined])
  })
})

test('a machine is paid for from its naming until it is gone', () => {
  const { machineHours, leasedHours, idleHours } = played([job(0, 60)])
  expect({ machineHours, leasedHours, idleHours }).toEqual({ machineHours: 1, leasedHours: 1, idleHours: 0 })
})

test('idle machines go when their time is over, and come with their period', () => {
  const quiet = [job(0, 1), job(179, 1)]
  const kept = played(quiet, 'idle_count = 2', 'idle_time_s = 600')
  const office = played(
    quiet,
    'idle_count = 0',
    'idle_time_s = 600',
    '[[flavor.autoscaling]]',
    'periods = ["* * 9 * * * *"]',
    'timezone = "Europe/Berlin"',
    'idle_count = 2',
    'idle_time_s = 600',
  )
  expect(kept.idleHours).toBeGreaterThan(5.9)
  // When their hour is over they have been idle for longer than they may.
  expect(office.idleHours).toBeGreaterThan(1.9)
  expect(office.idleHours).toBeLessThan(2.1)
})

test('jobs that queue are served in turn, however many more than the coordinator is told of', () => {
  const crowd = Array.from({ length: 100 }, (_, n) => job(n / 100, 1))
  const report = played(crowd, 'limit = 3')
  expect(report).toMatchObject({ jobs: 100, machinesMax: 3, unserved: 0 })
  expect(report.waitMs?.max).toBeGreaterThan(30 * MINUTE_MS)
})

test('a day is played the same each time', () => {
  const jobs = drawnDay({ count: 500, seed: 1, flavor: debian })
  const lines = [
    'limit = 50',
    'idle_count = 10',
    'idle_count_min = 1',
    'idle_scale_factor = 0.5',
    'idle_time_s = 60',
  ]
  expect(played(jobs, ...lines)).toEqual(played(jobs, ...lines))
})

describe('a trace', () => {
  const defaults = { flavor: debian, trustDomain: shop, startMs: NINE }
  test('is read in any order of its columns and rows', () => {
    const text = 'duration_s,flavor,"asked"\r\n60,"large",2026-11-23T09:00:00+01:00\n30.5,,1\n'
    expect(parseTrace(text, defaults)).toEqual([
      { askedAtMs: NINE, durationMs: 60_000, flavor: 'large', trustDomain: 'shop' },
      { askedAtMs: NINE + 1_000, durationMs: 30_500, flavor: 'debian', trustDomain: 'shop' },
    ])
  })

  test.each([
    ['', 'line 1 of the trace: there is no column ""'],
    ['asked\n1', 'line 1 of the trace: the column duration_s is missing'],
    ['asked,duration_s,colour\n', 'line 1 of the trace: there is no column "colour"'],
    ['asked,duration_s\n', 'line 1 of the trace: it holds no job'],
    ['asked,duration_s\n1,2\n\n1\n', 'line 4 of the trace: it has 1 cells, the head has 2'],
    ['asked,duration_s\n2026-11-23T08:00:00,2', 'line 2 of the trace: "2026-11-23T08:00:00" is no time'],
    ['asked,duration_s\n1,-2', 'line 2 of the trace: "-2" is no duration'],
    ['asked,duration_s,flavor\n1,2,../x', 'is not well-formed'],
  ])('of %j is refused', (text, words) => {
    expect(() => parseTrace(text, defaults)).toThrow(words)
  })

  test('of a flavor that there is not is refused', () => {
    const jobs = [{ ...job(0, 1), flavor: parseId('FlavorName', 'other') }]
    expect(() => played(jobs)).toThrow('there is no flavor "other"')
  })
})
