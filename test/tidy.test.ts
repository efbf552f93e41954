/** The house rules a linter does not know. Each rule has a canary: a planted breach it must find. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { VERSION } from '../src/cli/version.ts'
import { cruiseCheckout, cruisePlanted, edges } from './tidy/arrows.ts'
import { type Complaint, deadFiles, namedFiles, rules, type SourceFile } from './tidy/rules.ts'

const top = join(import.meta.dirname, '..')
const TEXT =
  /[.](ts|cjs|mjs|js|json|md|sh|c|h|toml|sql|yml|yaml|html|css|rb|hcl|service|txt)$|(^|\/)[A-Za-z0-9-]+$/

const checkout: readonly SourceFile[] = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
  cwd: top,
  encoding: 'utf8',
})
  .split('\0')
  .filter((path) => TEXT.test(path))
  .flatMap((path) => readIfThere(path))

function readIfThere(path: string): readonly SourceFile[] {
  try {
    return [{ path, text: readFileSync(join(top, path), 'utf8') }]
  } catch {
    // Deleted in the work tree, not yet in the index.
    return []
  }
}

const shown = (complaints: readonly Complaint[]): readonly string[] =>
  complaints.map(({ path, says }) => `${path}: ${says}`)

const canaries: Readonly<Record<string, SourceFile>> = {
  fileLength: { path: 'src/model/long.ts', text: 'x\n'.repeat(301) },
  vagueName: { path: 'src/agent/disk-utils.ts', text: '' },
  registryHost: { path: 'bin/fetch', text: `curl https://regis${'try'}.npmjs.org/` },
  processWord: { path: 'README.md', text: `as is${'sue'} 5 asks` },
  lockWithoutAddresses: { path: 'package-lock.json', text: '{"resolved": "https://example.org"}' },
  indexReexportsOnly: { path: 'src/model/index.ts', text: "export * from './a.ts'\nexport const x = 1\n" },
  defaultExport: { path: 'src/model/a.ts', text: 'export default 1\n' },
}

describe.each(Object.entries(rules))('%s', (name, rule) => {
  test('every file keeps it', () => {
    expect(shown(checkout.flatMap(rule))).toEqual([])
  })
  test('a planted breach is found', () => {
    const canary = canaries[name]
    expect(canary && rule(canary)).toHaveLength(1)
  })
})

describe('import directions', { timeout: 60_000 }, () => {
  const cruised = cruiseCheckout()
  cruised.catch(() => undefined)

  test('every import goes along an arrow', async () => {
    expect((await cruised).violations).toEqual([])
  })

  test('every forbidden edge has its reason', () => {
    expect(edges.filter(({ comment }) => (comment ?? '').length < 20)).toEqual([])
  })

  const isTest = (path: string): boolean => path.endsWith('.test.ts')
  const isProcess = (path: string): boolean => /(^|\/)main[.]ts$/.test(path)

  test('every file is reached from a process, a test, or whoever names it', async () => {
    const named = namedFiles(checkout)
    const isRoot = (path: string): boolean =>
      isTest(path) || isProcess(path) || path.startsWith('bench/') || named(path)
    expect(shown(deadFiles((await cruised).modules, isRoot))).toEqual([])
  })

  test('what only tests reach is no product', async () => {
    // Parts of tests that lie beside what they test, and the generator of checked-in code.
    const apart = /(^|\/)(fake-[^/]*|[^/]*-sample)[.]ts$|^src\/libvirt\/protocol\//
    const product = deadFiles((await cruised).modules, isProcess).filter(
      ({ path }) => path.startsWith('src/') && !isTest(path) && !apart.test(path),
    )
    expect(shown(product)).toEqual([])
  })

  test('a file nobody imports is found', () => {
    const modules = [
      { path: 'main.ts', imports: ['a.ts'] },
      { path: 'a.ts', imports: [] },
      { path: 'b.ts', imports: ['a.ts'] },
    ]
    expect(deadFiles(modules, (path) => path === 'main.ts').map(({ path }) => path)).toEqual(['b.ts'])
  })

  const file = (path: string, text = 'export const x = 1\n'): SourceFile => ({ path, text })
  const importing = (path: string, from: string): SourceFile =>
    file(path, `import { x } from '${from}'\nexport const y = x\n`)
  const library = [
    file('node_modules/zod/index.js'),
    file('node_modules/zod/package.json', '{"name":"zod","type":"module","main":"index.js"}'),
  ]
  const planted: readonly (readonly [edge: string, files: readonly SourceFile[]])[] = [
    ...edges.flatMap(({ name = '' }) => {
      const [, from, to] = /^(\w+)-not-(\w+)$/.exec(name) ?? []
      if (from === undefined || to === undefined) return []
      return [
        [name, [importing(`src/${from}/a.ts`, `../${to}/index.ts`), file(`src/${to}/index.ts`)]] as const,
      ]
    }),
    ['through-the-door', [importing('src/cli/a.ts', '../model/b.ts'), file('src/model/b.ts')]],
    [
      'drivers-apart',
      [importing('src/agent/drivers/libvirt/a.ts', '../tart/b.ts'), file('src/agent/drivers/tart/b.ts')],
    ],
    ['product-without-tests', [importing('src/cli/a.ts', '../../test/b.ts'), file('test/b.ts')]],
    ['schema-free-command-line', [importing('src/cli/a.ts', 'zod'), ...library]],
    [
      'no-circles',
      [
        importing('src/model/a.ts', './b.ts'),
        file('src/model/b.ts', "import { y } from './a.ts'\nexport const x = y\n"),
      ],
    ],
  ]

  test('each forbidden edge has a canary', () => {
    expect(planted.map(([edge]) => edge).toSorted()).toEqual(edges.map(({ name = '' }) => name).toSorted())
  })

  test.each(planted)('%s is found where it is planted', async (edge, files) => {
    expect((await cruisePlanted(files)).map((line) => line.split(':')[0])).toContain(edge)
  })
})

test('the version the command line prints is the one of package.json', () => {
  expect(JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'))).toMatchObject({ version: VERSION })
})
