/** Lines for the runner's log: it takes hclog's JSON from a plugin's stderr, at its level and with its fields. */
import type { Writable } from 'node:stream'
import { failureNext, failureText, SlipwayError } from '../../model/index.ts'
import { printable } from '../printable.ts'

export type Fields = Readonly<Record<string, string | number>>

export interface Log {
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
}

type Level = keyof Log

/** `wall`: ms since 1970. */
export function makeLog(stderr: Writable, wall: () => number): Log {
  const write =
    (level: Level) =>
    (message: string, fields: Fields = {}): void => {
      const head = { '@level': level, '@message': printable(message), '@timestamp': stamp(wall()) }
      const rest = Object.entries(fields).map(([key, value]) => [
        key,
        typeof value === 'string' ? printable(value) : value,
      ])
      stderr.write(`${JSON.stringify({ ...Object.fromEntries(rest), ...head })}\n`)
    }
  return { info: write('info'), warn: write('warn'), error: write('error') }
}

/** A line panics the runner unless this is a text; it is read as microseconds. */
const stamp = (wallMs: number): string => new Date(wallMs).toISOString().replace('Z', '000Z')

/** A failure as fields: code first, since people search for it. */
export function failureFields(error: unknown): Fields {
  if (!(error instanceof SlipwayError)) {
    return { code: 'bug', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  return { code: error.code, reason: failureText(error), next: failureNext(error) }
}
