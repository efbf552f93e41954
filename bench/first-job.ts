/**
 * How long `npm run first-job` takes where it ran before.
 *   sh bin/node bench/first-job.ts
 * Promised: under 90 s. Exits 1 otherwise. Needs root, and uses this host's own Slipway folders as a newcomer would.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const AGAIN_MS_MAX = 90_000
const firstJob = join(import.meta.dirname, '../bin/first-job')

function run(): number {
  const startMs = performance.now()
  const { status } = spawnSync('sh', [firstJob], { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) throw new Error(`first-job ended with ${status}`)
  return performance.now() - startMs
}

run()
const againMs = run()
console.log(`again: ${(againMs / 1000).toFixed(1)} s, at most ${AGAIN_MS_MAX / 1000}`)
if (againMs > AGAIN_MS_MAX) process.exitCode = 1
