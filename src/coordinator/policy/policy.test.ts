/** Which rules hold when: periods in three zones over both changes of the clocks, and the last match. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Zone } from './local-time.ts'
import { type Periods, type Policy, rulesAt, within } from './policy.ts'
import { fixedIdle } from './rules.ts'
import { parseRunnerCron } from './runner-cron.ts'
import { parseTaskscalerCron } from './taskscaler-cron.ts'

const zoneOf = (name: string): Zone => {
  const zone = Zone.open(name)
  if (!zone) throw new Error(`no zone ${name}`)
  return zone
}
const periods = (zone: string, ...texts: readonly string[]): Periods => ({
  crons: texts.map(parseRunnerCron),
  zone: zoneOf(zone),
})

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** How many minutes of a day, by UTC from `from` on, the period holds. */
const minutesIn = (period: Periods, from: string, hours: number): number =>
  Array.from({ length: hours * 60 }, (_, n) => Date.parse(from) + n * MINUTE_MS).filter((at) =>
    within(period, at),
  ).length

describe.each([
  // Zone, the night its clocks go forward and back (local midnight in UTC), the hour concerned, its length.
  ['Europe/Berlin', '2026-03-28T23:00:00Z', '2026-10-24T22:00:00Z', 2, 60],
  ['America/New_York', '2026-03-08T05:00:00Z', '2026-11-01T04:00:00Z', 1, 60],
  ['Australia/Lord_Howe', '2026-10-03T13:30:00Z', '2026-04-04T13:00:00Z', 1, 30],
] as const)('in %s', (zone, forward, back, hour, shiftMin) => {
  test('a whole day is as long as it is', () => {
    const day = periods(zone, '* * * * * sun *')
    expect(minutesIn(day, forward, 25)).toBe(24 * 60 - shiftMin)
    expect(minutesIn(day, back, 25)).toBe(24 * 60 + shiftMin)
  })

  test('what the clocks skip is in no period, and its neighbours are', () => {
    expect(minutesIn(periods(zone, '* * 2 * * sun *'), forward, 25)).toBe(60 - shiftMin)
    expect(minutesIn(periods(zone, '* * 0,1,3 * * sun *'), forward, 25)).toBe(3 * 60)
  })

  test('what the clocks show twice is in the period twice', () => {
    expect(minutesIn(periods(zone, `* * ${hour} * * * *`), back, 24)).toBe(60 + shiftMin)
  })

  test('office hours begin and end by the office’s clock on either side of both', () => {
    const office = periods(zone, '* * 8-17 * * mon-fri *')
    for (const change of [forward, back]) {
      const friday = Date.parse(change) - 2 * 24 * HOUR_MS
      const monday =
        Date.parse(change) + 24 * HOUR_MS + (change === forward ? -shiftMin : shiftMin) * MINUTE_MS
      for (const midnight of [friday, monday]) {
        expect(within(office, midnight + 8 * HOUR_MS - 1)).toBe(false)
        expect(within(office, midnight + 8 * HOUR_MS)).toBe(true)
        expect(within(office, midnight + 18 * HOUR_MS - 1)).toBe(true)
        expect(within(office, midnight + 18 * HOUR_MS)).toBe(false)
      }
    }
  })
})

test('a time of any zone is the one that Intl formats', () => {
  const names = Intl.supportedValuesOf('timeZone')
  const instant = fc.integer({ min: Date.UTC(2020), max: Date.UTC(2040) })
  fc.assert(
    fc.property(fc.constantFrom(...names), instant, (timeZone, at) => {
      const { year, month, day, hour, minute, second } = zoneOf(timeZone).at(at)
      const shown = new Intl.DateTimeFormat('sv-SE', {
        timeZone,
        dateStyle: 'short',
        timeStyle: 'medium',
      }).format(at)
      const two = (n: number): string => String(n).padStart(2, '0')
      expect(`${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}`).toBe(shown)
    }),
  )
})

test('a zone is looked up anew each minute, whichever way time goes', () => {
  const berlin = zoneOf('Europe/Berlin')
  const change = Date.parse('2026-03-29T01:00:00Z')
  expect([change - 1, change, change - 1].map((at) => berlin.at(at).hour)).toEqual([1, 3, 1])
})

test('a zone that is none is none; nothing and "Local" are this host’s', () => {
  expect(Zone.open('Europe/Utopia')).toBeUndefined()
  expect(Zone.open('')?.name).toBe(Zone.open('Local')?.name)
})

describe('of several periods', () => {
  const rules = (idleCount: number) => fixedIdle(idleCount)
  const policy: Policy = {
    base: rules(1),
    periods: [
      { periods: periods('UTC', '* * 8-17 * * mon-fri *'), rules: rules(10) },
      { periods: periods('UTC', '* * 12 * * * *', '* * * * * fri *'), rules: rules(3) },
    ],
    throttle: { kind: 'none' },
    jobsMax: 1,
  }
  test.each([
    ['none holds', '2026-11-23T07:59:59Z', 1],
    ['one holds', '2026-11-23T08:00:00Z', 10],
    ['the last that holds counts', '2026-11-23T12:30:00Z', 3],
    ['one of whose expressions holds does', '2026-11-27T23:00:00Z', 3],
  ])('%s', (_, at, idleCount) => {
    expect(rulesAt(policy, Date.parse(at)).idleCount).toBe(idleCount)
  })
})

test('taskscaler’s five fields hold for whole minutes', () => {
  const office: Periods = { crons: [parseTaskscalerCron('* 9-17 * * 1-5')], zone: zoneOf('Europe/Berlin') }
  expect(minutesIn(office, '2026-11-23T00:00:00Z', 24)).toBe(9 * 60)
  expect(within(office, Date.parse('2026-11-23T16:59:59.999Z'))).toBe(true)
})
