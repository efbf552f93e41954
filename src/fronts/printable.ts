/** What others had their word in, as it may stand in a log: shown, never obeyed by a terminal. */

const LINE_CHARS_MAX = 300

/** `text` on one line, without control characters, escape sequences or marks that reorder text. */
export function printable(text: string): string {
  const plain = text.replace(ESCAPES, '').replace(UNPRINTABLE, ' ')
  return plain.length > LINE_CHARS_MAX ? `${plain.slice(0, LINE_CHARS_MAX)}…` : plain
}

/** ECMA-48 control sequences and strings, complete or cut off. */
const ESCAPES = new RegExp(
  [
    '(?:\\u001b\\[|\\u009b)[0-?]*[ -/]*[@-~]?',
    '\\u001b[\\]PX^_][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)?',
    '\\u001b[ -/]*[0-~]?',
  ].join('|'),
  'g',
)
/** Controls, surrogates standing alone, and the characters that override the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu
