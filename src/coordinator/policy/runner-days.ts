/** Which days of a month gitlab-runner's day and weekday fields name together. */
import type { LocalTime } from './local-time.ts'
import { type Field, KINDS, readField } from './runner-field.ts'

export interface Days {
  readonly all: boolean
  has(day: Day): boolean
}

type Day = Pick<LocalTime, 'year' | 'month' | 'day' | 'weekday'>
type Rule = (day: Day) => boolean

/** Both fields; `refuse` makes the error of a mistake. */
export function readDays(
  words: { readonly day: string; readonly weekday: string },
  refuse: (why: string) => Error,
): Days {
  const day = readField(KINDS.day, words.day, refuse)
  const weekday = readField(KINDS.weekday, words.weekday, refuse)
  const rules: readonly Rule[] = [
    ...(day.any ? [] : [valueRule(day, 'day'), ...day.special.map((entry) => dayRule(entry, refuse))]),
    ...(weekday.any
      ? []
      : [valueRule(weekday, 'weekday'), ...weekday.special.map((entry) => weekdayRule(entry, refuse))]),
  ]
  // A star hides its neighbours' meaning, not their mistakes.
  for (const entry of day.special) dayRule(entry, refuse)
  for (const entry of weekday.special) weekdayRule(entry, refuse)
  return { all: rules.length === 0, has: (at) => rules.length === 0 || rules.some((rule) => rule(at)) }
}

const valueRule =
  ({ values }: Field, part: 'day' | 'weekday'): Rule =>
  (day) =>
    values.has(day[part])

function dayRule(entry: string, refuse: (why: string) => Error): Rule {
  if (entry === 'l') return (day) => day.day === lengthOf(day)
  if (entry === 'lw') return (day) => day.day === workdayNear(day, lengthOf(day))
  const wanted = Number(/^(\d{1,2})w$/.exec(entry)?.[1] ?? 0)
  if (wanted >= 1 && wanted <= KINDS.day.max) {
    return (day) => wanted <= lengthOf(day) && day.day === workdayNear(day, wanted)
  }
  throw refuse(`has "${entry}" in its day of month field`)
}

function weekdayRule(entry: string, refuse: (why: string) => Error): Rule {
  const [, name = '', last, nth] = /^(\w+?)(?:(l)|#([1-5]))$/.exec(entry) ?? []
  const weekday =
    KINDS.weekday.names.get(name) ?? (/^[0-7]$/.test(name) ? Number(name) % DAYS_OF_WEEK : undefined)
  if (weekday === undefined) throw refuse(`has "${entry}" in its weekday field`)
  if (last) return (day) => day.weekday === weekday && day.day > lengthOf(day) - DAYS_OF_WEEK
  return (day) => day.weekday === weekday && Math.ceil(day.day / DAYS_OF_WEEK) === Number(nth)
}

/** The workday nearest to `wanted` within the month: Saturday → Friday, Sunday → Monday, never over its ends. */
function workdayNear(at: Day, wanted: number): number {
  const weekday = new Date(Date.UTC(at.year, at.month - 1, wanted)).getUTCDay()
  if (weekday === SATURDAY) return wanted > 1 ? wanted - 1 : wanted + 2
  if (weekday === SUNDAY) return wanted < lengthOf(at) ? wanted + 1 : wanted - 2
  return wanted
}

const lengthOf = ({ year, month }: Day): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

const DAYS_OF_WEEK = 7
const SUNDAY = 0
const SATURDAY = 6
