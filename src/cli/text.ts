/** Text for terminals and pipes: colour where a terminal shows it, plain columns. */
import { stripVTControlCharacters, styleText } from 'node:util'

export type TextStream = NodeJS.WritableStream & { readonly isTTY?: boolean }
type Style = 'red' | 'green' | 'yellow' | 'dim' | 'bold'

/** `text` in a colour if `stream` is a terminal that wants it (NO_COLOR, FORCE_COLOR and dumb terminals are obeyed). */
export const paint = (stream: TextStream, style: Style, text: string): string =>
  styleText(style, text, { stream, validateStream: true })

/** Rows as columns two spaces apart, the head in capitals; `undefined` is shown as a dash. */
export function table(head: readonly string[], rows: readonly (readonly (string | undefined)[])[]): string {
  const cells = [head.map((name) => name.toUpperCase()), ...rows.map((row) => row.map((cell) => cell ?? '-'))]
  const widths = head.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? ''))))
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell))).join('  ')
  return cells.map((row) => `${line(row).trimEnd()}\n`).join('')
}

const width = (cell: string): number => stripVTControlCharacters(cell).length

/** Of a digest, what tells images apart in a table. */
export const shortDigest = (digest: string): string => digest.slice(0, DIGEST_CHARS)

const DIGEST_CHARS = 'sha256:'.length + 12

/** `text` with control characters shown as dots: a guest may have had its word in it. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '.')
