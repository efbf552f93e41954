/** How a failure is shown: `error: …` and `next: …` for people, the API's problem for programs. */
import { type ErrorCode, errorTable, failureNext, SlipwayError } from '../model/index.ts'
import { paint, printable, type TextStream } from './text.ts'

interface Shown {
  readonly json: boolean
  readonly stream: TextStream
}

/** The text of `error`, ending in a newline. A bug shows its stack: it is to be reported. */
export function failureLines(error: unknown, { json, stream }: Shown): string {
  if (!(error instanceof SlipwayError)) return bugLines(error, { json, stream })
  const { code, args, message } = error
  const next = failureNext(error)
  if (json) return `${JSON.stringify({ code, args, message, next })}\n`
  return `${paint(stream, 'red', 'error:')} ${printable(message)} (${code})\n  next: ${printable(next)}\n`
}

function bugLines(error: unknown, { json, stream }: Shown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (json) return `${JSON.stringify({ code: BUG, args: {}, message: text, next: BUG_NEXT })}\n`
  return `${paint(stream, 'red', 'error:')} this is a bug in Slipway: ${text}\n  next: ${BUG_NEXT}\n`
}

const BUG = 'bug'
const BUG_NEXT = 'report it with the lines above'

/** The failure in a line that `failureLines` wrote as JSON, from a child of ours; undefined for any other line. */
export function problemOf(line: string): SlipwayError | undefined {
  const value = parse(line)
  if (typeof value !== 'object' || value === null || !('code' in value) || !('next' in value))
    return undefined
  const { code } = value
  if (code === BUG && 'message' in value) return bugOf(String(value.message))
  if (typeof code !== 'string' || !isCode(code)) return undefined
  return new SlipwayError(code, 'args' in value ? args(value.args) : {})
}

/** What a child of ours died of, for whoever started it: the first line, its log has the rest. */
const bugOf = (message: string): SlipwayError =>
  new SlipwayError('host_setup', { object: 'a process of Slipway', detail: `bug: ${message.split('\n')[0]}` })

const isCode = (code: string): code is ErrorCode => code in errorTable

const args = (value: unknown): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(value ?? {}).filter(
      (entry): entry is [string, string | number] =>
        typeof entry[1] === 'string' || typeof entry[1] === 'number',
    ),
  )

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
