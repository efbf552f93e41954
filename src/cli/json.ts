import type { Io } from './command.ts'

/** One document on stdout, indented for the people who read it all the same. */
export function writeJson(io: Pick<Io, 'print'>, value: unknown): void {
  io.print(`${JSON.stringify(value, undefined, 2)}\n`)
}
