import type { ConsoleStream } from '../driver.ts'
import { Inbox } from '../inbox.ts'
import type { VirtualGuest } from './guest.ts'

/** Lines of a console that are kept, and characters of a line. */
const CONSOLE_LINES_MAX = 200
const LINE_CHARS_MAX = 1_000

/** The guest writes a line; the oldest beyond the limit are forgotten. */
export function writeConsole(guest: VirtualGuest, line: string): void {
  guest.console.push(line.slice(0, LINE_CHARS_MAX))
  if (guest.console.length > CONSOLE_LINES_MAX) guest.console.shift()
}

/** The last `lines` without control characters (ECMA-48 sequences whole), newest last. */
export function readConsole(guest: VirtualGuest | undefined, lines: number): readonly string[] {
  const kept = guest?.console.slice(-Math.min(lines, CONSOLE_LINES_MAX)) ?? []
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the point
  return kept.map((line) => line.replace(/\u001b\[[0-?]*[ -/]*[@-~]|[\u0000-\u001f\u007f-\u009f]/g, ''))
}

/** A terminal that echoes, as a getty does. */
export function attach(guest: VirtualGuest, signal: AbortSignal): ConsoleStream {
  const output = new Inbox<Uint8Array>(CHUNKS_MAX, signal)
  return {
    output,
    write(bytes) {
      output.put(bytes)
      writeConsole(guest, Buffer.from(bytes).toString().trimEnd())
    },
  }
}

const CHUNKS_MAX = 256
