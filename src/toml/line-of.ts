/**
 * The line of a key in a TOML text, from 1: its own, or that of the innermost table or list around it that has one.
 * Good enough for files that people write, which is all this is for: what a string over several lines holds is not known.
 */
export function lineOf(text: string, path: readonly PropertyKey[]): number | undefined {
  const wanted = path.map(String)
  const seen = new Map<string, number>()
  let table: readonly string[] = []
  let found: { readonly line: number; readonly depth: number } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const header = HEADER.exec(line)
    if (header !== null) table = tableOf(header, seen)
    const key = header === null ? ASSIGNMENT.exec(line)?.[1] : ''
    if (key === undefined) continue
    const here = [...table, ...partsOf(key)]
    const around = here.every((part, depth) => part === wanted[depth])
    if (around && here.length > (found?.depth ?? 0)) found = { line: index + 1, depth: here.length }
  }
  return found?.line
}

const HEADER = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/
const ASSIGNMENT = /^\s*([\w."-]+)\s*=/

/** `[[a]]` opens the next of several, counted in `seen`; `[[a.b]]` and `[a.b]` belong to the last `a`. */
function tableOf([, bracket = '', name = '']: readonly string[], seen: Map<string, number>): string[] {
  const parts = partsOf(name)
  const path: string[] = []
  for (const [depth, part] of parts.entries()) {
    path.push(part)
    const list = path.join('.')
    const opens = bracket === '[[' && depth === parts.length - 1
    if (opens) seen.set(list, (seen.get(list) ?? -1) + 1)
    const index = seen.get(list)
    if (index !== undefined) path.push(String(index))
  }
  return path
}

const partsOf = (name: string): string[] =>
  name === '' ? [] : name.split('.').map((part) => part.trim().replaceAll('"', ''))
