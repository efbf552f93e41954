/** dependency-cruiser with our rules, over this checkout or over planted files. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser'
import type { Module, SourceFile } from './rules.ts'

interface Configuration {
  readonly forbidden: NonNullable<IFlattenedRuleSet['forbidden']>
  readonly options: Record<string, unknown>
}

const top = join(import.meta.dirname, '../..')
const configuration: Configuration = createRequire(import.meta.url)(join(top, '.dependency-cruiser.cjs'))
/** Every forbidden edge. */
export const edges = configuration.forbidden

export interface Cruised {
  /** `rule: from → to` */
  readonly violations: readonly string[]
  readonly modules: readonly Module[]
}

export async function cruiseFolder(baseDir: string, folders: readonly string[]): Promise<Cruised> {
  const { tsConfig: _, ...options } = configuration.options
  const { output } = await cruise([...folders], {
    ...options,
    baseDir,
    validate: true,
    ruleSet: { forbidden: edges },
  })
  if (typeof output === 'string') throw new Error('the cruiser answered text')
  return read(output)
}

const read = ({ modules, summary }: ICruiseResult): Cruised => ({
  violations: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`),
  modules: modules
    .filter(({ source }) => !source.includes('node_modules') && source.endsWith('.ts'))
    .map(({ source, dependencies }) => ({
      path: source,
      imports: dependencies.map(({ resolved }) => resolved),
    })),
})

export const cruiseCheckout = (): Promise<Cruised> =>
  cruiseFolder(
    top,
    ['src', 'test', 'bench'].filter((folder) => existsSync(join(top, folder))),
  )

/** What the rules say of planted files. */
export async function cruisePlanted(files: readonly SourceFile[]): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-tidy-'))
  try {
    for (const { path, text } of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    const names = new Set(files.map(({ path }) => path.split('/')[0] ?? ''))
    return (
      await cruiseFolder(
        folder,
        [...names].filter((name) => name !== 'node_modules'),
      )
    ).violations
  } finally {
    rmSync(folder, { recursive: true })
  }
}
