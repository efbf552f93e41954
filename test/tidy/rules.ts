/** The rules about files that no linter has, as pure functions: files in, complaints out. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

export interface Complaint {
  readonly path: string
  readonly says: string
}

type Rule = (file: SourceFile) => readonly Complaint[]

const complain = (file: SourceFile, says: string): Complaint => ({ path: file.path, says })

const LINES_MAX = 300
/** Tables and generated files: long because what they list is long. Each says why it may be. */
const LONG_FILES: ReadonlyMap<RegExp, string> = new Map([
  [/[.]test[.]ts$/, 'a test may be a table'],
  [/(^|\/)generated\//, 'a machine wrote it'],
  [/^src\/model\/error[.]ts$/, 'the table of all failures'],
  [/^src\/cli\/declarations[.]ts$/, 'the table of all commands'],
  [/^test\/fixtures\//, 'recorded'],
])

export const fileLength: Rule = (file) => {
  if (!/[.](ts|sh|c|h|cjs)$/.test(file.path)) return []
  if ([...LONG_FILES.keys()].some((pattern) => pattern.test(file.path))) return []
  const lines = file.text.split('\n').length - 1
  return lines <= LINES_MAX
    ? []
    : [complain(file, `has ${lines} lines, ${LINES_MAX} at most: find its second noun`)]
}

const VAGUE = /^(utils?|helpers?|common|misc|managers?|shared|lib|stuff)$/

export const vagueName: Rule = (file) => {
  const words = file.path.replace(/[.][a-z.]+$/, '').split(/[/._-]/)
  const found = words.filter((word) => VAGUE.test(word))
  return found.map((word) =>
    complain(file, `"${word}" names nothing: name it for what it holds, or put it beside its only user`),
  )
}

// Classes such as [.] and [s] keep these patterns from finding themselves.
const REGISTRIES =
  /regi[s]try[.](npmjs|yarnpkg)|(deb|security|archive|snapshot)[.]debian[.]or[g]|p[y]pi[.]org|files[.]pythonhosted|cr[a]tes[.]io|proxy[.]gol[a]ng|repo1?[.]mav[e]n/

export const registryHost: Rule = (file) => {
  const found = REGISTRIES.exec(file.text)
  return found === null
    ? []
    : [complain(file, `names the registry host ${found[0]}: hosts come from the machine's own configuration`)]
}

const PROCESS_WORDS = [
  /\bi[s]sues? #?\d/i,
  /\/w[o]rk\/(main|wt|shared|peers)/,
  /\bthe b[r]ief\b/i,
  /\bB[R]IEF[.]md/,
  /\bm[u]st show\b/i,
  /\bthis s[e]ssion's\b/i,
  /\bfiled by a s[e]ssion\b/i,
]

export const processWord: Rule = (file) =>
  PROCESS_WORDS.flatMap((pattern) => {
    const found = pattern.exec(file.text)
    return found === null
      ? []
      : [complain(file, `"${found[0]}" is about how the work was organised, not about the work`)]
  })

export const lockWithoutAddresses: Rule = (file) =>
  file.path === 'package-lock.json' && /"resolved"/.test(file.text)
    ? [complain(file, 'names where packages were fetched from; .npmrc has omit-lockfile-registry-resolved')]
    : []

const INDEX_LINE = /^(export (type )?(\*|\{[^}]*\})( as \w+)? from '[^']+'|import type .*)$/

export const indexReexportsOnly: Rule = (file) => {
  if (!/^src\/.*\/index[.]ts$/.test(file.path)) return []
  const statements = file.text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\{[^}]*\}/g, (list) => list.replaceAll('\n', ' '))
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('//'))
  return statements
    .filter((line) => !INDEX_LINE.test(line))
    .map((line) => complain(file, `holds more than re-exports: ${line}`))
}

export const defaultExport: Rule = (file) =>
  /^(src|test|bench)\/.*[.]ts$/.test(file.path) && /^export default /m.test(file.text)
    ? [complain(file, 'has a default export: a name is the same everywhere')]
    : []

export const rules: Readonly<Record<string, Rule>> = {
  fileLength,
  vagueName,
  registryHost,
  processWord,
  lockWithoutAddresses,
  indexReexportsOnly,
  defaultExport,
}

export interface Module {
  readonly path: string
  readonly imports: readonly string[]
}

/** Files that no process and no test leads to: from each root along the imports. */
export function deadFiles(
  modules: readonly Module[],
  isRoot: (path: string) => boolean,
): readonly Complaint[] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const alive = new Set<string>()
  const inbox = modules.map(({ path }) => path).filter(isRoot)
  for (let path = inbox.pop(); path !== undefined; path = inbox.pop()) {
    if (alive.has(path)) continue
    alive.add(path)
    inbox.push(...(byPath.get(path)?.imports ?? []))
  }
  return modules
    .filter(({ path }) => !alive.has(path))
    .map(({ path }) => ({ path, says: 'nothing that runs imports it: delete it' }))
}

/**
 * Whether another file than `path` itself speaks of it by name: a script, a child process, a configuration. Imports
 * between cruised files do not count, they are followed anyway.
 */
export function namedFiles(files: readonly SourceFile[]): (path: string) => boolean {
  const spoken = files.map(({ path, text }) => ({
    path,
    text: /^(src|test|bench)\//.test(path)
      ? text.replace(/^(import|export) [^;]*? from '[^']*'$/gm, '')
      : text,
  }))
  return (path) => {
    const [name = ''] = /[^/]+$/.exec(path) ?? []
    const words = [...` \n'"\`/(`].map((before) => before + name)
    return spoken.some((file) => file.path !== path && words.some((word) => file.text.includes(word)))
  }
}
