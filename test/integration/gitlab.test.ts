/**
 * The small GitLab proves itself against a real gitlab-runner with its own `shell` executor, before anything of ours
 * stands between them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GitLab, type RunningRunner, runnerBinary, startGitLab, startRunner } from '../gitlab/index.ts'

const binary = runnerBinary()
if (binary === undefined)
  console.warn('SKIPPED: SLIPWAY_GITLAB_RUNNER_BIN names no gitlab-runner to test with')

/** A silent job learns of its cancel with the runner's keep-alive only, up to 30 s later. */
const CHATTY = 'echo started; while sleep 1; do echo .; done'

describe.skipIf(binary === undefined)('the small GitLab with a real runner', () => {
  let directory: string
  let gitlab: GitLab
  let runner: RunningRunner

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slipway-gitlab-'))
    gitlab = await startGitLab({ directory, files: { hello: 'from the repository\n' } })
    const env = { PATH: `${dirname(binary ?? '')}:${process.env.PATH}` }
    const executor = 'executor = "shell"\nshell = "bash"'
    runner = await startRunner({
      binary: binary ?? '',
      gitlab,
      directory: join(directory, 'runner'),
      executor,
      env,
    })
  })

  afterAll(async () => {
    await runner?.[Symbol.asyncDispose]()
    await gitlab?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  test('a job gets the repository, and its log and success come back', async () => {
    const job = gitlab.queue({ script: 'cat hello; echo "answer $ANSWER"', variables: { ANSWER: '42' } })
    expect(await job.wait(), job.log).toEqual({ state: 'success' })
    expect(job.log).toContain('from the repository')
    expect(job.log).toContain('answer 42')
  })

  test('an exit code is told', async () => {
    const job = gitlab.queue({ script: 'exit 42' })
    expect(await job.wait()).toEqual({ state: 'failed', failureReason: 'script_failure', exitCode: 42 })
  })

  test('a cancelled job stops, after its after_script', async () => {
    const job = gitlab.queue({ script: CHATTY, afterScript: ['echo afterwards'] })
    await job.waitForLog(/^started/m)
    job.cancel()
    expect(await job.wait(), job.log).toMatchObject({ state: 'canceled' })
    expect(job.log).toMatch(/^afterwards/m)
  })

  test('a job over its time limit fails for that reason', async () => {
    const job = gitlab.queue({ script: 'sleep 600', timeoutS: 3 })
    expect(await job.wait(), job.log).toMatchObject({
      state: 'failed',
      failureReason: 'job_execution_timeout',
    })
  })

  test('artifacts of one job reach the next', async () => {
    const first = gitlab.queue({ script: 'echo made > out.txt', artifacts: { paths: ['out.txt'] } })
    expect(await first.wait(), first.log).toEqual({ state: 'success' })
    const second = gitlab.queue({ script: 'cat out.txt', dependencies: [first] })
    expect(await second.wait(), second.log).toEqual({ state: 'success' })
    expect(second.log).toMatch(/^made/m)
  })

  test('the distributed cache keeps files under signed URLs only', async () => {
    const cache = { key: 'deps', paths: ['deps/'] }
    const first = gitlab.queue({ script: 'mkdir -p deps; echo kept > deps/a', cache })
    expect(await first.wait(), first.log).toEqual({ state: 'success' })
    expect([...gitlab.bucket.objects.keys()]).toEqual(['project/1/deps'])
    const second = gitlab.queue({ script: 'cat deps/a', cache: { ...cache, policy: 'pull' } })
    expect(await second.wait(), second.log).toEqual({ state: 'success' })
    expect(second.log).toMatch(/^kept/m)
    const unsigned = await fetch(`${gitlab.url}/runner-cache/project/1/deps`)
    expect(unsigned.status).toBe(403)
  })

  test('nothing the runner sent was out of place', () => {
    expect(gitlab.refusals).toEqual([])
  })
})
