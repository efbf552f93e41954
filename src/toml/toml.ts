/** A TOML file checked by a schema: each mistake is named with its line and its key. */
import { readFile } from 'node:fs/promises'
import { parse, TomlError } from 'smol-toml'
import type { z } from 'zod'
import { SlipwayError } from '../model/index.ts'
import { keyText } from './key-text.ts'
import { lineOf } from './line-of.ts'

const FILE_BYTES_MAX = 256 * 1024
const ISSUES_SHOWN_MAX = 5

/** The file's content with the schema's defaults; an absent file is an empty one. Throws `bad_config`. */
export async function readToml<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  return parseToml(file, await readText(file), schema)
}

/** `text` as `schema` has it; `file` is named in the `bad_config` it throws. */
export function parseToml<T>(file: string, text: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(tableOf(file, text))
  if (parsed.success) return parsed.data
  const details = parsed.error.issues
    .toSorted((a, b) => Number(isUnknown(b)) - Number(isUnknown(a)))
    .slice(0, ISSUES_SHOWN_MAX)
    .map((issue) => issueText(issue, text))
  throw refusal(file, details.join('; '))
}

/** Told first: a key that is missing may only be written wrong. */
const isUnknown = ({ code }: z.core.$ZodIssue): boolean => code === 'unrecognized_keys'

/** The text of a file; an absent one is empty. Throws `bad_config`. */
export async function readText(file: string): Promise<string> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    if (code === 'ENOENT') return ''
    throw refusal(file, `it cannot be read (${code})`, cause)
  }
  if (text.length > FILE_BYTES_MAX) throw refusal(file, `it is larger than ${FILE_BYTES_MAX} bytes`)
  return text
}

/** Throws `bad_config` that names line and column. */
export function tableOf(file: string, text: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    const [what = 'it is no TOML'] = cause.message.split('\n')
    throw refusal(file, `line ${cause.line}, column ${cause.column}: ${what}`, cause)
  }
}

/** `line 7, flavor[1].vcpus: …`; of an unknown key, that key. */
function issueText(issue: z.core.$ZodIssue, text: string): string {
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const path = [...issue.path, ...unknown]
  const line = lineOf(text, path)
  const what = unknown.length > 0 ? 'unknown key' : issue.message
  return `${line === undefined ? '' : `line ${line}, `}${keyText(path) || 'the file'}: ${what}`
}

const refusal = (file: string, detail: string, cause?: unknown): SlipwayError =>
  new SlipwayError('bad_config', { file, detail }, { cause })
