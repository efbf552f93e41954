/** A child's log line for people. The children write JSON lines, which `--json` passes on as they are. */
import { paint, printable, type TextStream } from '../text.ts'

interface Options {
  readonly process: string
  readonly stream: TextStream
}

/** `23:59:59.123 agent machine_ready machine=m-…`; a line that is no JSON is shown as it is. */
export function logLine(line: string, { process, stream }: Options): string {
  const entry = parse(line)
  if (entry === undefined) return `${process} ${printable(line)}\n`
  const { level, time, msg, event, message, pid, hostname, name, ...fields } = entry
  const at = new Date(typeof time === 'number' || typeof time === 'string' ? time : Date.now())
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const words = [String(msg ?? event ?? message ?? ''), ...details].map(printable).join(' ')
  const text = `${at.toISOString().slice(11, 23)} ${process} ${words}`
  return `${shade(level, stream, text)}\n`
}

/** pino writes numbers: 40 is a warning, 50 and up an error. */
function shade(level: unknown, stream: TextStream, text: string): string {
  if (level === 'error' || (typeof level === 'number' && level >= 50)) return paint(stream, 'red', text)
  if (level === 'warn' || level === 40) return paint(stream, 'yellow', text)
  return text
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
