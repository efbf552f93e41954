/**
 * What may come next on a command line: decided from the table of commands, for every shell alike. Names of things that
 * only the running system knows are asked of `lookUp`.
 */
import type { Declaration } from '../command.ts'

export interface Candidate {
  readonly word: string
  readonly says: string
}

/** `files`: the shell knows better. */
export type Completion =
  | { readonly files: true }
  | { readonly files: false; readonly candidates: readonly Candidate[] }

/** Gives the names of things of a kind, as `<kind>` stands in a declaration; none for what it does not know. */
export type LookUp = (kind: string) => Promise<readonly Candidate[]>

export interface Line {
  /** After `slipway`; the last one is being written, and may be empty. */
  readonly words: readonly string[]
  readonly declarations: readonly Declaration[]
  /** What a group of commands is about. */
  readonly groups: Readonly<Record<string, string>>
  readonly lookUp: LookUp
}

export async function complete({ words, declarations, groups, lookUp }: Line): Promise<Completion> {
  const shown = declarations.filter(({ hidden }) => !hidden)
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  // What follows is a guest's.
  if (before.includes('--')) return none
  const { plain, asking } = read(before, shown)
  if (asking !== undefined) return ofKind(asking, current, lookUp)
  const command = shown.find(({ name }) => isStart(name.split(' '), plain))
  if (current.startsWith('-')) return starting(current, optionsOf(command))
  if (command !== undefined) {
    const position = plain.length - command.name.split(' ').length
    const kinds = command.arguments?.split(' ') ?? []
    const kind = kinds[position] ?? (kinds.at(-1)?.includes('...') ? kinds.at(-1) : undefined)
    return kind === undefined ? none : ofKind(kind, current, lookUp)
  }
  return starting(current, commandsAfter(plain, shown, groups))
}

const none: Completion = { files: false, candidates: [] }

/** The words that are no options, and what the last option waits for. */
function read(
  before: readonly string[],
  shown: readonly Declaration[],
): { readonly plain: readonly string[]; readonly asking: string | undefined } {
  const plain: string[] = []
  let asking: string | undefined
  for (const word of before) {
    if (asking !== undefined) asking = undefined
    else if (word.startsWith('-')) {
      const command = shown.find(({ name }) => isStart(name.split(' '), plain))
      asking = optionsOf(command).find(({ flags }) => flags.includes(word))?.value
    } else plain.push(word)
  }
  return { plain, asking }
}

const isStart = (name: readonly string[], plain: readonly string[]): boolean =>
  name.length <= plain.length && name.every((part, at) => plain[at] === part)

interface Option extends Candidate {
  readonly flags: readonly string[]
  /** As in `--name <name>`. */
  readonly value: string | undefined
}

const GLOBAL = [
  ['--config <dir>', 'configuration directory'],
  ['--no-color', 'no colours'],
  ['-h, --help', 'print help'],
] as const

function optionsOf(command: Declaration | undefined): readonly Option[] {
  return [...(command?.options ?? []), ...GLOBAL].map(([text, says]) => {
    const flags = [...text.matchAll(/(?<![\w-])--?[\w-]+/g)].map(([flag]) => flag)
    return { flags, word: flags.at(-1) ?? '', says, value: /<[^>]+>/.exec(text)?.[0] }
  })
}

function commandsAfter(
  plain: readonly string[],
  shown: readonly Declaration[],
  groups: Readonly<Record<string, string>>,
): readonly Candidate[] {
  const found = new Map<string, string>()
  for (const { name, summary } of shown) {
    const parts = name.split(' ')
    const word = parts[plain.length]
    if (word === undefined || !plain.every((part, at) => parts[at] === part)) continue
    found.set(word, parts.length === plain.length + 1 ? summary : (groups[word] ?? ''))
  }
  return [...found].map(([word, says]) => ({ word, says }))
}

async function ofKind(kind: string, current: string, lookUp: LookUp): Promise<Completion> {
  const name = kind.replace(/[<>.]/g, '')
  if (name === 'file' || name === 'dir') return { files: true }
  return starting(current, await lookUp(name))
}

const starting = (current: string, all: readonly Candidate[]): Completion => ({
  files: false,
  candidates: all.filter(({ word }) => word.startsWith(current)).map(({ word, says }) => ({ word, says })),
})
