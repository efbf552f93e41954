/** Every key that a configuration file may have, with what holds and where that is written. */
import { z } from 'zod'
import { keyText } from './key-text.ts'
import { lineOf } from './line-of.ts'
import { parseToml, readText, tableOf } from './toml.ts'

export interface Setting {
  readonly file: string
  /** `limits.vcpus`, `flavor[0].name`. */
  readonly key: string
  /** Undefined: it has no value, and something else decides. */
  readonly value: unknown
  /** Of the file; undefined where it is the default. */
  readonly line: number | undefined
}

/**
 * The settings of `file`, in the order of its schema. `absent`: what holds for tables that the file does not have at
 * all. Throws `bad_config`.
 */
export async function readSettings<T>(
  file: string,
  schema: z.ZodType<T>,
  absent: object = {},
): Promise<readonly Setting[]> {
  const text = await readText(file)
  const written = tableOf(file, text)
  parseToml(file, text, schema)
  const holding = schema.parse({ ...absent, ...(isTable(written) ? written : {}) })
  const shape = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' })
  return leaves(shape, { value: holding, written, path: [] }).map(({ value, written, path }) => ({
    file,
    key: keyText(path),
    value,
    line: written === undefined ? undefined : lineOf(text, path),
  }))
}

interface Place {
  readonly value: unknown
  readonly written: unknown
  readonly path: readonly (string | number)[]
}

function leaves(shape: unknown, place: Place): readonly Place[] {
  const { value, written, path } = place
  const { properties, items } = isTable(shape) ? shape : {}
  if (isTable(properties) && isTable(value)) {
    return Object.entries(properties).flatMap(([key, inner]) =>
      leaves(inner, {
        value: value[key],
        written: isTable(written) ? written[key] : undefined,
        path: [...path, key],
      }),
    )
  }
  if (Array.isArray(value) && isTable(items) && 'properties' in items) {
    return value.flatMap((each, index) =>
      leaves(items, {
        value: each,
        written: Array.isArray(written) ? written[index] : undefined,
        path: [...path, index],
      }),
    )
  }
  return [place]
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
