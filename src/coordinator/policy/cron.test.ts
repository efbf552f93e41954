/** Both dialects against what the programs that speak them say: the answers in test/policy were taken from their code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SlipwayError } from '../../model/index.ts'
import type { Cron } from './cron.ts'
import { Zone } from './local-time.ts'
import { parseRunnerCron } from './runner-cron.ts'
import { parseTaskscalerCron } from './taskscaler-cron.ts'

const utc = Zone.open('UTC')

interface Answers {
  readonly text: string
  readonly inside: string[]
  readonly outside: string[]
}

function answersOf(file: string): readonly Answers[] {
  const answers: Answers[] = []
  const path = join(import.meta.dirname, '../../../test/policy', file)
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, kind, rest = ''] = /^(=|in|out) (.*)$/.exec(line) ?? []
    if (kind === '=') answers.push({ text: rest, inside: [], outside: [] })
    if (kind === 'in') answers.at(-1)?.inside.push(rest)
    if (kind === 'out') answers.at(-1)?.outside.push(rest)
  }
  return answers
}

const matching = (cron: Cron, instants: readonly string[]): readonly string[] =>
  instants.filter((instant) => utc && cron.matches(utc.at(Date.parse(instant))))

const refusalOf = (parse: (text: string) => Cron, text: string): string => {
  try {
    parse(text)
    return 'accepted'
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error
    return String(error.args.detail)
  }
}

describe.each([
  ['gitlab-runner', 'runner-cron.txt', parseRunnerCron],
  ['taskscaler', 'taskscaler-cron.txt', parseTaskscalerCron],
] as const)('an expression of %s', (_, file, parse) => {
  const answers = answersOf(file)
  test('there is something to compare', () => expect(answers.length).toBeGreaterThan(50))

  test.each(answers)('$text names the instants that it names there', ({ text, inside, outside }) => {
    const cron = parse(text)
    expect(matching(cron, inside)).toEqual(inside)
    expect(matching(cron, outside)).toEqual([])
  })

  test('of any text is read or refused with a reason', () => {
    const word = fc.oneof(
      fc.constantFrom(
        '*',
        '*/2',
        '1-5',
        'mon',
        'L',
        '15W',
        '5#3',
        '5L',
        '0',
        '22-6',
        '?',
        '*/0',
        '2020',
        '@daily',
      ),
      fc.string({ maxLength: 6 }),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (words) => {
        const refusal = refusalOf(parse, words.join(' '))
        expect(refusal === 'accepted' || refusal.includes('has ')).toBe(true)
      }),
    )
  })
})

describe('an expression that gitlab-runner misreads without a word is refused', () => {
  test.each([
    [
      '* * 22-6 * * * *',
      'has the range 22-6, which is empty for GitLab Runner: write it in two, as in 22-23,0-6',
    ],
    ['* * * * * fri-mon *', 'has the range fri-mon, which is empty'],
    [
      '* * * * * 5-7 *',
      "has the range 5-7, in which GitLab Runner's 7 is 0: write Sunday apart, as in 5-6,0",
    ],
    ['* * * * 05 * *', 'has month 05, which GitLab Runner misreads: write 5'],
    ['* * * * * 01 *', 'has weekday 01, which GitLab Runner misreads: write 1'],
    ['* */0 * * * * *', 'has a step in */0 that is not in 1-59'],
    ['* 60 * * * * *', 'has minute 60, which is not in 0-59'],
    ['* * * * mon', 'accepted'],
    ['* * * * * mon', 'has "mon" in its year field'],
    ['* * * *', 'has 4 fields, not the seven: second minute hour day month weekday year'],
    ['* * * * * * * *', 'has 8 fields'],
    ['* * * 32W * * *', 'has "32w" in its day of month field'],
    ['* * * * * 5#6 *', 'has "5#6" in its weekday field'],
    ['* L * * * * *', 'has "l" in its minute field'],
    ['* ,, * * * * *', 'has nothing in its minute field'],
  ])('%s', (text, why) => {
    expect(refusalOf(parseRunnerCron, text)).toContain(why)
  })
})

describe('an expression that taskscaler refuses or misreads is refused', () => {
  test.each([
    [
      '* 22-6 * * *',
      'has the range 22-6, which is everything for taskscaler: write it in two, as in 22-23,0-6',
    ],
    ['* * * * * *', 'has 6 fields, not the five: minute hour day month weekday'],
    ['*/0 * * * *', 'has a step of 0 in its minute field'],
    ['* 24 * * *', 'has hour 24, which is not in 0-23'],
    ['* * * * monday', 'has "monday" in its weekday field'],
    ['* * L * *', 'has "L" in its day of month field'],
  ])('%s', (text, why) => {
    expect(refusalOf(parseTaskscalerCron, text)).toContain(why)
  })
})

test('an expression knows whether it always holds, and for how much of a minute', () => {
  expect(parseRunnerCron('* * * * * * *')).toMatchObject({ always: true, secondsOfMinute: 60 })
  expect(parseRunnerCron('* */1 * * * 0-6 *')).toMatchObject({ always: false, secondsOfMinute: 60 })
  expect(parseRunnerCron('* * * * *')).toMatchObject({ always: false, secondsOfMinute: 1 })
  expect(parseTaskscalerCron('* * * * 1-7').always).toBe(true)
  expect(parseTaskscalerCron('* * * * 1-6').always).toBe(false)
})
