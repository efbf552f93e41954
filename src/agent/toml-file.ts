/** A TOML file checked by a schema: what is wrong is named with its line, an unknown key first of all. */
import { readFile } from 'node:fs/promises'
import { parse } from 'smol-toml'
import type { z } from 'zod'
import { SlipwayError } from '../model/index.ts'
import { isMissing } from './durable-file.ts'

const FILE_BYTES_MAX = 256 * 1024

/** The file's content with the schema's defaults; an absent file is an empty one. Throws `bad_config`. */
export async function readTomlFile<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  return parseToml(file, await readText(file), schema)
}

/** `text` as `schema` has it; `file` is named in the error, as `file:line` where the line is known. */
export function parseToml<T>(file: string, text: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(tableOf(file, text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues.find(({ code }) => code === 'unrecognized_keys') ?? parsed.error.issues[0]
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const path = [...(issue?.path ?? []), ...unknown].map(String)
  const detail = unknown.length > 0 ? `unknown key ${path.join('.')}` : `${path.join('.')}: ${issue?.message}`
  throw refusal(file, lineOf(text, path), detail)
}

async function readText(file: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8')
    if (text.length <= FILE_BYTES_MAX) return text
  } catch (error) {
    if (isMissing(error)) return ''
    throw refusal(file, undefined, `it cannot be read: ${error instanceof Error ? error.message : error}`)
  }
  throw refusal(file, undefined, `it is larger than ${FILE_BYTES_MAX} bytes`)
}

function tableOf(file: string, text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    const line = error instanceof Error && 'line' in error ? Number(error.line) : undefined
    const [detail = ''] = error instanceof Error ? error.message.split('\n') : [String(error)]
    throw refusal(file, line, detail)
  }
}

/** Where a key stands; good enough for files that people write, which is all this is for. */
function lineOf(text: string, path: readonly string[]): number | undefined {
  const key = path.at(-1)
  const table = path.slice(0, -1).join('.')
  let current = ''
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1]
    current = header ?? current
    if (header !== undefined && header === path.join('.')) return index + 1
    if (current === table && /^\s*"?([^\s="]+)"?\s*=/.exec(line)?.[1] === key) return index + 1
  }
  return undefined
}

const refusal = (file: string, line: number | undefined, detail: string): SlipwayError =>
  new SlipwayError('bad_config', { file: line === undefined ? file : `${file}:${line}`, detail })
