/**
 * Writes `test/integration/custom-executor.calls.json`: what a real gitlab-runner calls, over jobs that end in every
 * way. Run by hand when a new runner is to be believed:
 *
 *   SLIPWAY_GITLAB_RUNNER_BIN=… sh bin/node test/gitlab/record.ts
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type JobSpec, runnerBinary, startGitLab, startRunner } from './index.ts'
import type { RecordedCall } from './recorder.ts'

const here = import.meta.dirname
const binary = runnerBinary()
if (binary === undefined) throw new Error('SLIPWAY_GITLAB_RUNNER_BIN names no gitlab-runner')

const jobs: readonly JobSpec[] = [
  { name: 'pass', script: 'true', image: 'debian:12', variables: { SLIPWAY_FLAVOR: 'large' } },
  { name: 'fail', script: 'exit 42', afterScript: ['true'] },
  {
    name: 'files',
    script: 'mkdir -p kept; date > kept/date',
    artifacts: { paths: ['kept'] },
    cache: { key: 'kept', paths: ['kept'] },
  },
  { name: 'unknown-image', script: 'true', image: 'unknown' },
  { name: 'broken-prepare', script: 'true', variables: { BROKEN: 'yes' } },
]

const directory = await mkdtemp(join(tmpdir(), 'slipway-record-'))
try {
  const calls = join(directory, 'calls')
  await record(calls)
  const lines = (await readFile(calls, 'utf8')).trim().split('\n')
  const recorded = lines.map((line): RecordedCall => JSON.parse(line))
  const version = execFileSync(binary, ['--version'], { encoding: 'utf8' }).match(/Version:\s+(\S+)/)?.[1]
  const text = JSON.stringify({ runner: version, jobs: byJob(recorded) }, undefined, 1)
  await writeFile(join(here, '../integration/custom-executor.calls.json'), `${text}\n`)
} finally {
  await rm(directory, { recursive: true, force: true })
}

async function record(calls: string): Promise<void> {
  await using gitlab = await startGitLab({ directory })
  const stage = (name: string): string => {
    const args = [join(here, '../../bin/node'), join(here, 'recorder.ts'), calls, name]
    return `  ${name}_exec = "/bin/sh"\n  ${name}_args = ${JSON.stringify(args)}\n`
  }
  await using _runner = await startRunner({
    binary: binary ?? '',
    gitlab,
    directory: join(directory, 'runner'),
    executor: `executor = "custom"\n[runners.custom]\n${['config', 'prepare', 'run', 'cleanup'].map(stage).join('')}`,
    env: { PATH: `${dirname(binary ?? '')}:${process.env.PATH}` },
  })
  for (const spec of jobs) {
    const job = gitlab.queue(spec)
    console.log(spec.name, await job.wait())
    if (spec.name === 'files')
      await gitlab.queue({ ...spec, name: 'files-again', dependencies: [job] }).wait()
  }
}

/** What is the same in all calls of a job stands once. */
function byJob(recorded: readonly RecordedCall[]): object[] {
  const jobs = Map.groupBy(recorded, ({ job }) => job)
  return [...jobs].map(([job, calls]) => {
    const [first] = calls
    return {
      job,
      own: first?.own,
      names: first?.names,
      response: first?.response,
      calls: calls.map(({ stage, args, shebang }) => ({ stage, args, shebang })),
    }
  })
}
