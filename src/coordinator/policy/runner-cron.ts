/**
 * The cron dialect of `[[runners.machine.autoscaling]] Periods`, which gitlab-runner 17.9 reads with gorhill/cronexpr.
 * Seven fields, second to year; six lack the second and five the year as well, and their second is 0. `*` or `?`,
 * values, ranges, steps and lists; names of months and weekdays; days `L`, `LW`, `15W`; weekdays `5L`, `5#3`. When day
 * and weekday are both restricted, either is enough.
 *
 * What the runner misreads without a word is refused: a reversed range (empty), a step of 0 (it hangs), a month or a
 * weekday with a leading zero (none, and Sunday).
 */
import { type Cron, refusedCron } from './cron.ts'
import { readDays } from './runner-days.ts'
import { type Field, KINDS, readField } from './runner-field.ts'

export interface RunnerCron extends Cron {
  /** How many seconds of a minute it names. */
  readonly secondsOfMinute: number
}

const ALIASES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 0 1 1 * *',
  '@annually': '0 0 0 1 1 * *',
  '@monthly': '0 0 0 1 * * *',
  '@weekly': '0 0 0 * * 0 *',
  '@daily': '0 0 0 * * * *',
  '@hourly': '0 0 * * * * *',
}
const FIELDS_MIN = 5
const FIELDS_MAX = 7

/** Reads one expression; throws `bad_request` with the reason. */
export function parseRunnerCron(text: string): RunnerCron {
  const refuse = (why: string): Error => refusedCron(text, why)
  const words = (ALIASES[text.trim()] ?? text).split(/\s+/).filter(Boolean)
  if (words.length < FIELDS_MIN || words.length > FIELDS_MAX) {
    throw refuse(`has ${words.length} fields, not the seven: second minute hour day month weekday year`)
  }
  const padded = [
    ...(words.length === FIELDS_MAX ? [] : ['0']),
    ...words,
    ...(words.length === FIELDS_MIN ? ['*'] : []),
  ]
  const word = (index: number): string => padded[index] ?? '*'
  const plain = (kind: (typeof KINDS)[keyof typeof KINDS], index: number): Plain => {
    const field = readField(kind, word(index), refuse)
    const [odd] = field.special
    if (odd !== undefined) throw refuse(`has "${odd}" in its ${kind.name} field`)
    return plainOf(field, kind.max - kind.min + 1)
  }
  const second = plain(KINDS.second, 0)
  const minute = plain(KINDS.minute, 1)
  const hour = plain(KINDS.hour, 2)
  const days = readDays({ day: word(3), weekday: word(5) }, refuse)
  const month = plain(KINDS.month, 4)
  const year = plain(KINDS.year, 6)
  return {
    text,
    toJSON: () => text,
    secondsOfMinute: second.count,
    always: [second, minute, hour, month, year].every(({ all }) => all) && days.all,
    matches: (time) =>
      second.has(time.second) &&
      minute.has(time.minute) &&
      hour.has(time.hour) &&
      month.has(time.month) &&
      year.has(time.year) &&
      days.has(time),
  }
}

interface Plain {
  readonly all: boolean
  readonly count: number
  has(value: number): boolean
}

const plainOf = ({ any, values }: Field, size: number): Plain => {
  const all = any || values.size === size
  return { all, count: all ? size : values.size, has: (value) => all || values.has(value) }
}
