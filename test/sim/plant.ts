/** Plants a bug: one text of one source file replaced as Node loads it. No file is touched. */
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

export interface Mutation {
  readonly name: string
  /** What goes wrong in the world. */
  readonly what: string
  /** From the repository's root. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly from: string
  readonly to: string
}

const ROOT = new URL('../../', import.meta.url)

/** The file with its bug; throws if the place is no longer there: then the table must follow the code. */
export function mutate({ name, file, from, to }: Mutation, source: string): string {
  const parts = source.split(from)
  assert(parts.length === 2, `mutation ${name}: its text stands ${parts.length - 1} times in ${file}`)
  return parts.join(to)
}

/** To be called before the mutated file is first imported: hence this module imports nothing of ours. */
export function plant(mutation: Mutation): void {
  const target = new URL(mutation.file, ROOT)
  mutate(mutation, readFileSync(target, 'utf8'))
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (url !== target.href) return loaded
      return { ...loaded, source: mutate(mutation, String(loaded.source)) }
    },
  })
}
