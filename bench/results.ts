/**
 * `bench/results.json`: what the benches measured last, each its own part, raw; and all their ratios by name, flat. It is
 * this machine's and is not checked in.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release } from 'node:os'
import { join } from 'node:path'

export interface Part {
  /** What booted: image, shape, acceleration. */
  readonly guest: string
  /** In the order they were taken; ms unless the name says otherwise. */
  readonly samples: Readonly<Record<string, readonly number[]>>
  /** Load average of the last minute, in the course of the run. */
  readonly load: readonly number[]
  readonly ratios: Readonly<Record<string, number>>
}

interface Results {
  readonly parts: Readonly<Record<string, object>>
  readonly ratios: Readonly<Record<string, number>>
}

const FILE = join(import.meta.dirname, 'results.json')

/** Replaces the part of that name, and its ratios. */
export function record(name: string, part: Part): void {
  const { parts, ratios } = read()
  const machine = { cpus: availableParallelism(), cpu: cpus()[0]?.model, kernel: release() }
  const at = new Date().toISOString()
  const results: Results = {
    parts: { ...parts, [name]: { at, machine, ...part } },
    ratios: { ...ratios, ...part.ratios },
  }
  writeFileSync(`${FILE}.new`, `${JSON.stringify(results, undefined, 1)}\n`)
  renameSync(`${FILE}.new`, FILE)
}

function read(): Results {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8'))
  } catch {
    return { parts: {}, ratios: {} }
  }
}

/** The minute's load average, as a part keeps it. */
export const loadNow = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100
