/**
 * `npm run sim -- --seeds N [--from S] [--all]`: many seeds, until one fails, or all of them.
 * `--seed S` replays one with its whole trace. `--mutation NAME` plants a bug, `--only CHECKER` lets one checker watch.
 */
import { parseArgs } from 'node:util'
import { mutations } from './mutations.ts'
import { plant } from './plant.ts'

/** Of the trace, with a failure. */
const TRACE_LINES = 40

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    all: { type: 'boolean', default: false },
    mutation: { type: 'string' },
    only: { type: 'string' },
  },
})

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
  const outcome = await runSeed(seed, {
    traceLines,
    ...(values.only === undefined ? {} : { only: values.only }),
  })
  if (outcome.broken === undefined && one === undefined) continue
  if (outcome.broken !== undefined) broken += 1
  console.log(values.all ? `seed ${seed} BROKEN ${outcome.broken}` : report(outcome))
  if (!values.all && broken > 0) break
}
const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
console.log(`seeds ${from} to ${to}: ${broken === 0 ? 'all held' : `${broken} broken`}, ${seconds} s`)
process.exitCode = broken === 0 ? 0 : 1

function find(name: string) {
  const found = mutations.find((mutation) => mutation.name === name)
  if (found !== undefined) return found
  console.error(`no mutation "${name}"; there are: ${mutations.map((mutation) => mutation.name).join(', ')}`)
  process.exit(2)
}
