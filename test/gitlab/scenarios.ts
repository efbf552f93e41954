/**
 * What a real runner's jobs must come to, whatever stands between the runner and the place they run in. Each test is
 * one job or a few; `bench` gives the parts once they stand.
 */
import { expect, test } from 'vitest'
import type { JobSpec } from './job.ts'
import type { GitLab } from './server.ts'

export interface ScenarioBench {
  readonly gitlab: GitLab
  /** Added to each job, e.g. GIT_STRATEGY=none where a guest has no git. */
  readonly variables: Readonly<Record<string, string>>
  /** An image the operator offers; absent where a job has no choice. */
  readonly image?: string
  /** Time limit of the job that meets it: enough for its machine to come up. */
  readonly timeoutS: number
}

/** A silent job learns of its cancel with the runner's keep-alive only, up to 30 s later. */
export const CHATTY = 'echo started; while sleep 1; do echo .; done'

const queueOn = (bench: () => ScenarioBench) => (spec: JobSpec) => {
  const { gitlab, variables, image } = bench()
  return gitlab.queue({
    ...(image === undefined ? {} : { image }),
    ...spec,
    variables: { ...variables, ...spec.variables },
  })
}

export function jobScenarios(bench: () => ScenarioBench): void {
  const queue = queueOn(bench)

  test('a job passes, and its output is in the log in order', async () => {
    const job = queue({
      script: ['echo "one $ANSWER"', 'uname -s', 'echo two >&2'],
      variables: { ANSWER: '42' },
    })
    expect(await job.wait(), job.log).toEqual({ state: 'success' })
    expect(job.log).toMatch(/^one 42[\s\S]*^Linux/m)
    // Where standard error is a stream of its own it may overtake.
    expect(job.log).toMatch(/^two/m)
  })

  test("a script that exits 42 is the job's failure, with 42", async () => {
    const job = queue({ script: 'echo before; exit 42; echo behind', afterScript: ['echo afterwards'] })
    expect(await job.wait(), job.log).toEqual({
      state: 'failed',
      failureReason: 'script_failure',
      exitCode: 42,
    })
    expect(job.log).toMatch(/^afterwards/m)
    expect(job.log).not.toMatch(/^behind/m)
  })

  test('a cancelled job stops, and its after_script still runs in its machine', async () => {
    const job = queue({ script: ['touch mine', CHATTY], afterScript: ['ls mine'] })
    await job.waitForLog(/^started/m)
    job.cancel()
    expect(await job.wait(), job.log).toMatchObject({ state: 'canceled' })
    expect(job.log).toMatch(/^mine/m)
  })

  test('a job over its time limit is stopped for that reason', async () => {
    const job = queue({ script: CHATTY, timeoutS: bench().timeoutS })
    expect(await job.wait(), job.log).toMatchObject({
      state: 'failed',
      failureReason: 'job_execution_timeout',
    })
  })

  test('artifacts go up from one machine and down into another', async () => {
    const first = queue({ script: 'echo made-here > out.txt', artifacts: { paths: ['out.txt'] } })
    expect(await first.wait(), first.log).toEqual({ state: 'success' })
    const second = queue({ script: 'cat out.txt', dependencies: [first] })
    expect(await second.wait(), second.log).toEqual({ state: 'success' })
    expect(second.log).toMatch(/^made-here/m)
  })

  test('the cache of one machine is there in the next', async () => {
    const cache = { key: 'deps', paths: ['deps/'] }
    const first = queue({ script: 'mkdir -p deps; echo kept-here > deps/a', cache })
    expect(await first.wait(), first.log).toEqual({ state: 'success' })
    const second = queue({ script: 'cat deps/a', cache: { ...cache, policy: 'pull' } })
    expect(await second.wait(), second.log).toEqual({ state: 'success' })
    expect(second.log).toMatch(/^kept-here/m)
  })
}

/** What only the custom executor does: the job chooses its machine, and its log tells of it. */
export function choiceScenarios(bench: () => ScenarioBench): void {
  const queue = queueOn(bench)

  test('the log says which machine the job has, and holds both outputs in order', async () => {
    const job = queue({ script: ['echo one', 'echo two >&2', 'echo three'] })
    expect(await job.wait(), job.log).toEqual({ state: 'success' })
    expect(job.log).toMatch(/slipway: machine m-\w+ \(\S+\) is ready on host/)
    expect(job.log).toMatch(/^one[\s\S]*^two[\s\S]*^three/m)
  })

  test('an image that is not offered fails the job at once, and says what is', async () => {
    const job = queue({ script: 'true', image: 'nobody/knows:this' })
    expect(await job.wait(), job.log).toMatchObject({ state: 'failed', failureReason: 'script_failure' })
    expect(job.log).toContain('error not_offered: image "nobody/knows:this" is not offered to jobs here')
    expect(job.log.match(/not_offered/g)).toHaveLength(1)
  })
}
