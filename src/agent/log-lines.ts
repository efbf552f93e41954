import type { WriteLine } from './events.ts'

/** One JSON object a line, as pino writes them. `to` gets each line with its end. */
export const jsonLines =
  (to: (line: string) => void, wall: () => number): WriteLine =>
  (level, event, fields) =>
    to(`${JSON.stringify({ level, time: wall(), msg: event, ...fields })}\n`)
