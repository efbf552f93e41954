/** `npm run bench`: every figure that is promised, one after another. Exits 1 if one is not kept. Needs root. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const benches = [
  'cold-start.ts',
  'warm.ts',
  'growth.ts',
  'templates.ts',
  'libvirt-calls.ts',
  'memory.ts',
  'grant.ts',
  'cli-start.ts',
  'first-job.ts',
]

for (const name of benches) {
  console.log(`\n## ${name.replace('.ts', '').replaceAll('-', ' ')}`)
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, name)], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
