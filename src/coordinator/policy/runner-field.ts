/** One field of gitlab-runner's cron dialect: what it may hold, and what its entries mean. */
import { MONTHS, WEEKDAYS } from './cron.ts'

interface Kind {
  readonly name: string
  readonly min: number
  readonly max: number
  /** Its values by name, as the runner knows them. */
  readonly names: ReadonlyMap<string, number>
  /** Whether the runner reads `05` as 5; where not it reads it as nothing, or as Sunday. */
  readonly leadingZero: boolean
}

const FULL_MONTHS =
  'january february march april may june july august september october november december'.split(' ')
const FULL_WEEKDAYS = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ')
const named = (lists: readonly (readonly string[])[], first: number): ReadonlyMap<string, number> =>
  new Map(lists.flatMap((list) => list.map((name, index) => [name, first + index] as const)))
const NONE: ReadonlyMap<string, number> = new Map()

export const KINDS = {
  second: { name: 'second', min: 0, max: 59, names: NONE, leadingZero: true },
  minute: { name: 'minute', min: 0, max: 59, names: NONE, leadingZero: true },
  hour: { name: 'hour', min: 0, max: 23, names: NONE, leadingZero: true },
  day: { name: 'day of month', min: 1, max: 31, names: NONE, leadingZero: true },
  month: { name: 'month', min: 1, max: 12, names: named([MONTHS, FULL_MONTHS], 1), leadingZero: false },
  weekday: {
    name: 'weekday',
    min: 0,
    max: 7,
    names: named([WEEKDAYS, FULL_WEEKDAYS], 0),
    leadingZero: false,
  },
  year: { name: 'year', min: 1970, max: 2099, names: NONE, leadingZero: false },
} as const satisfies Record<string, Kind>

export interface Field {
  /** `*` or `?` stands in it. */
  readonly any: boolean
  readonly values: ReadonlySet<number>
  /** Entries that are no plain values, in lower case: `l`, `15w`, `5#3`. */
  readonly special: readonly string[]
}

/** Reads a field; `refuse` makes the error of a mistake. */
export function readField(kind: Kind, text: string, refuse: (why: string) => Error): Field {
  const entries = text.toLowerCase().split(',').filter(Boolean)
  if (entries.length === 0) throw refuse(`has nothing in its ${kind.name} field`)
  const values = new Set<number>()
  const special: string[] = []
  let any = false
  for (const entry of entries) {
    const [, star, first, last, step] = ENTRY.exec(entry) ?? []
    if (star !== undefined && step === undefined) any = true
    if (star === '?' && step !== undefined) throw refuse(`has "?" with a step in its ${kind.name} field`)
    const from = star === undefined ? valueIn(kind, first, refuse) : kind.min
    const to = last === undefined ? undefined : valueIn(kind, last, refuse)
    if (from === undefined || (last !== undefined && to === undefined)) special.push(entry)
    else
      for (const each of spread(kind, { entry, from, to, step, open: star !== undefined }, refuse))
        values.add(each)
  }
  return { any, values, special }
}

/** `*`, `5`, `mon`, `5-20`, each with `/2` behind it. */
const ENTRY = /^(?:([*?])|(\w+?)(?:-(\w+))?)(?:\/(\d+))?$/

/** `undefined`: it is no plain value. */
function valueIn(kind: Kind, text: string | undefined, refuse: (why: string) => Error): number | undefined {
  if (text === undefined) return undefined
  const byName = kind.names.get(text)
  if (byName !== undefined) return byName
  if (!/^\d{1,4}$/.test(text)) return undefined
  const value = Number(text)
  if (value < kind.min || value > kind.max) {
    throw refuse(`has ${kind.name} ${text}, which is not in ${kind.min}-${kind.max}`)
  }
  if (text.length > String(value).length && (!kind.leadingZero || text.length > 2)) {
    throw refuse(`has ${kind.name} ${text}, which GitLab Runner misreads: write ${value}`)
  }
  return value
}

interface Range {
  readonly entry: string
  readonly from: number
  readonly to: number | undefined
  readonly step: string | undefined
  /** It began with a star. */
  readonly open: boolean
}

function spread(kind: Kind, range: Range, refuse: (why: string) => Error): readonly number[] {
  const { entry, from, to, step, open } = range
  const isWeekday = kind.name === KINDS.weekday.name
  if (isWeekday && to === SUNDAY_TOO) {
    throw refuse(`has the range ${entry}, in which GitLab Runner's 7 is 0: write Sunday apart, as in 5-6,0`)
  }
  const start = isWeekday && from === SUNDAY_TOO ? 0 : from
  const max = isWeekday ? SATURDAY : kind.max
  const end = to ?? (open || step !== undefined ? max : start)
  if (end < start) {
    throw refuse(`has the range ${entry}, which is empty for GitLab Runner: write it in two, as in 22-23,0-6`)
  }
  const by = step === undefined ? 1 : Number(step)
  if (by < 1 || by > STEP_MAX) throw refuse(`has a step in ${entry} that is not in 1-${STEP_MAX}`)
  return Array.from({ length: Math.floor((end - start) / by) + 1 }, (_, index) => start + index * by)
}

const SATURDAY = 6
const SUNDAY_TOO = 7
/** The runner knows no step above; 0 hangs it. */
const STEP_MAX = 59
