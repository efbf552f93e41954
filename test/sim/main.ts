/**
 * `npm run sim -- --seeds N [--from S] [--all]`: many seeds, until one fails, or all of them.
 * `--seed S` replays one with its whole trace. `--planted` plants one bug after another and prints what was found.
 * `--mutation NAME` plants one; `--only INVARIANT` lets one invariant count.
 */
import { parseArgs } from 'node:util'
import { canaries } from './canaries.ts'
import { mutations } from './mutations.ts'
import { plant } from './plant.ts'
import { runPlanted } from './planted.ts'

/** Of the trace, with a failure. */
const TRACE_LINES = 40

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    all: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
    mutation: { type: 'string' },
    only: { type: 'string' },
  },
})

process.exitCode = values.planted ? await runPlanted(mutations, Number(values.seeds)) : await runSeeds()

async function runSeeds(): Promise<number> {
  if (values.mutation !== undefined) plant(find(values.mutation))
  // After the bug is planted: it must be there when its file is first loaded.
  const { report, runSeed } = await import('./run.ts')
  const one = values.seed === undefined ? undefined : Number(values.seed)
  const from = one ?? Number(values.from)
  const to = one ?? from + Number(values.seeds) - 1
  const traceLines = one === undefined ? TRACE_LINES : Number.POSITIVE_INFINITY
  const startMs = performance.now()
  let broken = 0
  for (let seed = from; seed <= to; seed++) {
    const outcome = await runSeed(seed, { traceLines, only: values.only })
    if (outcome.broken === undefined && one === undefined) continue
    if (outcome.broken !== undefined) broken += 1
    console.log(values.all ? `seed ${seed} BROKEN ${outcome.broken}` : report(outcome))
    if (!values.all && broken > 0) break
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  console.log(`seeds ${from} to ${to}: ${broken === 0 ? 'all held' : `${broken} broken`}, ${seconds} s`)
  return broken === 0 ? 0 : 1
}

function find(name: string) {
  const all = [...mutations, ...canaries]
  const found = all.find((mutation) => mutation.name === name)
  if (found !== undefined) return found
  throw new Error(`no mutation "${name}"; there are: ${all.map((mutation) => mutation.name).join(', ')}`)
}
