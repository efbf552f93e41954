/** Plants bugs, each in a process of its own, and sees which seed finds it first. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Mutation } from './plant.ts'

export interface Find {
  readonly mutation: Mutation
  /** The first seed that failed, and which invariant; absent if all held. */
  readonly seed?: number
  readonly invariant?: string
  readonly seconds: number
}

/** Share of the planted bugs that must be found. */
const FOUND_MIN = 0.9

/** Prints the table; the exit code says whether enough was found. */
export async function runPlanted(mutations: readonly Mutation[], seeds: number): Promise<number> {
  let found = 0
  for (const mutation of mutations) {
    const { seed, invariant, seconds } = await hunt(mutation, seeds)
    if (seed !== undefined) found += 1
    const verdict = seed === undefined ? `NOT FOUND in ${seeds} seeds` : `${invariant}, seed ${seed}`
    const row = [
      mutation.name.padEnd(26),
      verdict.padEnd(28),
      `${seconds.toFixed(1)} s`.padStart(8),
      ` ${mutation.what}`,
    ]
    console.log(row.join(' '))
  }
  console.log(`${found} of ${mutations.length} planted bugs found`)
  return found >= mutations.length * FOUND_MIN ? 0 : 1
}

/** Runs seeds with the bug until one fails; `only` lets one invariant count. */
export async function hunt(mutation: Mutation, seeds: number, only?: string): Promise<Find> {
  const startMs = performance.now()
  const flags = ['--mutation', mutation.name, '--seeds', `${seeds}`, ...(only ? ['--only', only] : [])]
  const output = await runNode([fileURLToPath(new URL('main.ts', import.meta.url)), ...flags])
  const seconds = (performance.now() - startMs) / 1000
  const [, seed, invariant] = /^seed (\d+) BROKEN ([a-z-]+):/m.exec(output) ?? []
  if (seed !== undefined && invariant !== undefined)
    return { mutation, seed: Number(seed), invariant, seconds }
  if (/all held/.test(output)) return { mutation, seconds }
  throw new Error(`mutation ${mutation.name} ran no seeds: ${output.slice(-1_000)}`)
}

/** What it printed; a failed seed is no failure of the run. */
const runNode = (args: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: OUTPUT_BYTES_MAX }, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    )
  })

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024
