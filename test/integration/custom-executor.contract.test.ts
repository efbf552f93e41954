/**
 * What a real gitlab-runner called (`test/gitlab/record.ts` wrote it down), replayed against the real front, so that
 * the contract holds where no runner is. Names and shapes are the record's, values are made up.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FrontBench } from '../fronts/front-bench.ts'
import { callStage, type StageEnd } from '../fronts/stage-process.ts'
import type { RecordedCall } from '../gitlab/recorder.ts'

interface RecordedJob extends Pick<RecordedCall, 'job' | 'own' | 'names' | 'response'> {
  readonly calls: readonly Pick<RecordedCall, 'stage' | 'args' | 'shebang'>[]
}

const record = await readFile(join(import.meta.dirname, 'custom-executor.calls.json'), 'utf8')
const { runner, jobs }: { runner: string; jobs: readonly RecordedJob[] } = JSON.parse(record)
const SECRET = 'glcbt-contract-secret'

let bench: FrontBench
beforeAll(async () => {
  bench = await FrontBench.start()
})
afterAll(() => bench[Symbol.asyncDispose]())

/** What each job's stages end with, by the runner's own rules. */
const expected: Readonly<Record<string, (call: RecordedJob['calls'][number]) => number>> = {
  pass: () => 0,
  fail: ({ args }) => (args[1] === 'build_script' ? 1 : 0),
  files: () => 0,
  'files-again': () => 0,
  'unknown-image': ({ stage }) => (stage === 'prepare' ? 1 : 0),
  'broken-prepare': ({ stage }) => (stage === 'prepare' ? 2 : 0),
}

test('the record holds every job it should, by a runner we know', () => {
  expect(runner).toMatch(/^\d+\.\d+\.\d+$/)
  expect(jobs.map(({ job }) => job).sort()).toEqual(Object.keys(expected).sort())
})

describe.each(jobs)('$job, as recorded', ({ job, own, names, response, calls }) => {
  test('each call ends as the runner expects, and all of them leave nothing', async () => {
    bench.leases.onAsk = (server, name) => {
      if (job === 'broken-prepare') server.end(name, 'failed')
      else server.grant(name)
    }
    const directory = join(bench.directory, job)
    const env = await files({ job, own, names, response, directory })
    const ends: StageEnd[] = []
    for (const { stage, args, shebang } of calls) {
      const script = join(directory, 'script')
      await writeFile(
        script,
        `${shebang}\n${args[1] === 'build_script' && job === 'fail' ? 'exit 42' : 'echo ok'}\n`,
      )
      const words = args.map((word) => (word === '<path>' ? script : word))
      ends.push(await callStage({ config: bench.directory, env, words: [stage, ...words] }))
    }
    expect(ends.map(({ code }) => code)).toEqual(calls.map((call) => expected[job]?.(call)))
    expect(JSON.stringify(ends)).not.toContain(SECRET)
    if (job === 'fail') expect(await readFile(env.BUILD_EXIT_CODE_FILE ?? '', 'utf8')).toBe('42\n')
    expect(bench.leases.names.filter((name) => bench.leases.lease(name)?.state !== 'ended')).toEqual([])
  })
})

interface JobFiles extends Omit<RecordedJob, 'calls'> {
  readonly directory: string
}

/** The runner's files of the job, and the environment of its calls. */
async function files({ job, own, names, response, directory }: JobFiles): Promise<Record<string, string>> {
  await mkdir(directory)
  const known: Readonly<Record<string, unknown>> = {
    id: jobs.findIndex((each) => each.job === job),
    token: `${SECRET}-${job}`,
  }
  const body = Object.fromEntries(response.map((key) => [key, known[key] ?? null]))
  await writeFile(join(directory, 'response.json'), JSON.stringify(body))
  const paths: Readonly<Record<string, string>> = {
    TMPDIR: directory,
    JOB_RESPONSE_FILE: join(directory, 'response.json'),
    BUILD_EXIT_CODE_FILE: join(directory, 'build_exit_code'),
  }
  const image = job === 'unknown-image' ? 'unknown' : job === 'pass' ? 'debian:12' : ''
  const values: Readonly<Record<string, string>> = {
    CUSTOM_ENV_CI_JOB_IMAGE: image,
    CUSTOM_ENV_SLIPWAY_FLAVOR: 'large',
  }
  return {
    PATH: process.env.PATH ?? '',
    ...Object.fromEntries(Object.entries(own).map(([name, value]) => [name, paths[name] ?? value])),
    ...Object.fromEntries(names.map((name) => [name, values[name] ?? SECRET])),
  }
}
