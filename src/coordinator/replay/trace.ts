/**
 * A trace: the jobs of some hours, to try a policy on. CSV with a head line, in any order:
 *
 *   asked,duration_s,flavor,trust_domain
 *   2026-11-23T08:00:12Z,340,debian,shop
 *
 * `asked` is when the job asked for a machine (ISO 8601 with its zone, or seconds since the start of the trace),
 * `duration_s` how long it ran on it. `flavor` and `trust_domain` may be left out.
 */
import { type FlavorName, isId, parseId, SlipwayError, type TrustDomain } from '../../model/index.ts'

export interface TraceJob {
  /** ms since 1970. */
  readonly askedAtMs: number
  readonly durationMs: number
  readonly flavor: FlavorName
  readonly trustDomain: TrustDomain
}

export interface TraceDefaults {
  readonly flavor: FlavorName
  readonly trustDomain: TrustDomain
  /** What `asked` counts from where it is a number, ms since 1970. */
  readonly startMs: number
}

const COLUMNS = ['asked', 'duration_s', 'flavor', 'trust_domain']
const JOBS_MAX = 1_000_000
const DURATION_S_MAX = 7 * 24 * 3_600

/** The jobs in the order they asked; throws `bad_request` with the line of a mistake. */
export function parseTrace(text: string, defaults: TraceDefaults): readonly TraceJob[] {
  const [head = '', ...rows] = text.split(/\r?\n/)
  const columns = head.split(',').map(unquoted)
  const odd = columns.find((name) => !COLUMNS.includes(name))
  if (odd !== undefined)
    throw refusal(1, `there is no column "${odd.slice(0, 40)}", only ${COLUMNS.join(', ')}`)
  for (const name of ['asked', 'duration_s']) {
    if (!columns.includes(name)) throw refusal(1, `the column ${name} is missing`)
  }
  const jobs: TraceJob[] = []
  for (const [index, row] of rows.entries()) {
    if (row.trim() === '') continue
    if (jobs.length >= JOBS_MAX) throw refusal(index + 2, `a trace holds ${JOBS_MAX} jobs at most`)
    jobs.push(jobOf(row.split(','), { columns, line: index + 2, defaults }))
  }
  if (jobs.length === 0) throw refusal(1, 'it holds no job')
  return jobs.sort((a, b) => a.askedAtMs - b.askedAtMs)
}

interface Around {
  readonly columns: readonly string[]
  readonly line: number
  readonly defaults: TraceDefaults
}

function jobOf(cells: readonly string[], { columns, line, defaults }: Around): TraceJob {
  if (cells.length !== columns.length) {
    throw refusal(line, `it has ${cells.length} cells, the head has ${columns.length}`)
  }
  const cell = (name: string): string => unquoted(cells[columns.indexOf(name)] ?? '')
  const asked = cell('asked')
  const askedAtMs = SECONDS.test(asked) ? defaults.startMs + Number(asked) * 1_000 : Date.parse(asked)
  if (Number.isNaN(askedAtMs) || !(SECONDS.test(asked) || INSTANT.test(asked))) {
    throw refusal(line, `"${asked.slice(0, 40)}" is no time: write 2026-11-23T08:00:12Z, or seconds`)
  }
  const duration = cell('duration_s')
  if (!SECONDS.test(duration) || Number(duration) > DURATION_S_MAX) {
    throw refusal(line, `"${duration.slice(0, 40)}" is no duration in seconds up to ${DURATION_S_MAX}`)
  }
  const flavor = cell('flavor') || defaults.flavor
  const trustDomain = cell('trust_domain') || defaults.trustDomain
  if (!isId('FlavorName', flavor) || !isId('TrustDomain', trustDomain)) {
    throw refusal(line, `"${`${flavor}" or "${trustDomain}`.slice(0, 80)}" is not well-formed`)
  }
  return {
    askedAtMs,
    durationMs: Number(duration) * 1_000,
    flavor: parseId('FlavorName', flavor),
    trustDomain: parseId('TrustDomain', trustDomain),
  }
}

/** `"debian"` is debian: no value has a comma or a quotation mark in it. */
const unquoted = (cell: string): string => cell.trim().replace(/^"(.*)"$/, '$1')

const SECONDS = /^\d{1,9}(\.\d{1,9})?$/
const INSTANT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$/

const refusal = (line: number, detail: string): SlipwayError =>
  new SlipwayError('bad_request', { detail: `line ${line} of the trace: ${detail}` })
