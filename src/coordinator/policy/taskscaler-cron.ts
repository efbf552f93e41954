/**
 * The cron dialect of `[[runners.autoscaler.policy]] periods`, which is taskscaler's own: five fields, minute to
 * weekday, each true for its whole minute. All fields must match, day and weekday too. A step keeps the values that it
 * divides: `5-20/10` is 10 and 20. Sunday is 0 and 7.
 *
 * A reversed range is refused: taskscaler takes `22-6` for every hour.
 */
import { type Cron, MONTHS, refusedCron, WEEKDAYS } from './cron.ts'
import type { LocalTime } from './local-time.ts'

interface Kind {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
}

const KINDS: readonly Kind[] = [
  { name: 'minute', min: 0, max: 59, names: [] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day of month', min: 1, max: 31, names: [] },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'weekday', min: 0, max: 7, names: WEEKDAYS },
]

/** Reads one expression; throws `bad_request` with the reason. */
export function parseTaskscalerCron(text: string): Cron {
  const refuse = (why: string): Error => refusedCron(text, why)
  const words = text.split(/\s+/).filter(Boolean)
  if (words.length !== KINDS.length) {
    throw refuse(`has ${words.length} fields, not the five: minute hour day month weekday`)
  }
  const sets = KINDS.map((kind, index) => readField(kind, words[index] ?? '', refuse))
  return {
    text,
    toJSON: () => text,
    always: sets.every((set, index) => coversAll(set, index)),
    matches: (time) => sets.every((set, index) => partsOf(time, index).some((value) => set.has(value))),
  }
}

/** A Sunday is 0 and 7. */
function partsOf(time: LocalTime, index: number): readonly number[] {
  const value = [time.minute, time.hour, time.day, time.month, time.weekday][index] ?? 0
  return index === WEEKDAY && value === 0 ? [0, SUNDAY_TOO] : [value]
}

const WEEKDAY = 4
const SATURDAY = 6
const SUNDAY_TOO = 7

const coversAll = (set: ReadonlySet<number>, index: number): boolean => {
  const { min, max } = KINDS[index] ?? { min: 0, max: 0 }
  const last = index === WEEKDAY ? SATURDAY : max
  for (let value = min; value <= last; value += 1) {
    if (!set.has(value) && !(index === WEEKDAY && value === 0 && set.has(SUNDAY_TOO))) return false
  }
  return true
}

function readField(kind: Kind, text: string, refuse: (why: string) => Error): ReadonlySet<number> {
  const values = new Set<number>()
  for (const entry of text.split(',')) {
    const [range = '', step] = entry.split('/', 2)
    const by = step === undefined ? 1 : valueIn(kind, step, refuse)
    if (by === 0) throw refuse(`has a step of 0 in its ${kind.name} field`)
    const [first = '', last] = range.split('-', 2)
    const from = range === '*' ? kind.min : valueIn(kind, first, refuse)
    const to = range === '*' ? kind.max : last === undefined ? from : valueIn(kind, last, refuse)
    if (to < from) {
      throw refuse(
        `has the range ${range}, which is everything for taskscaler: write it in two, as in 22-23,0-6`,
      )
    }
    for (let value = from; value <= to; value += 1) if (value % by === 0) values.add(value)
  }
  return values
}

function valueIn(kind: Kind, text: string, refuse: (why: string) => Error): number {
  const named = kind.names.indexOf(text.toLowerCase())
  const value = named >= 0 ? named + (kind.name === 'month' ? 1 : 0) : Number(text)
  if (named < 0 && !/^\d{1,3}$/.test(text)) throw refuse(`has "${text}" in its ${kind.name} field`)
  if (value < kind.min || value > kind.max) {
    throw refuse(`has ${kind.name} ${text}, which is not in ${kind.min}-${kind.max}`)
  }
  return value
}
