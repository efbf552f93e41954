/** A real gitlab-runner and our real front, in front of a played coordinator and guest: no machine is made here. */
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FrontBench } from '../fronts/front-bench.ts'
import { customExecutor } from '../gitlab/custom-executor.ts'
import { type GitLab, type RunningRunner, runnerBinary, startGitLab, startRunner } from '../gitlab/index.ts'
import { CHATTY, choiceScenarios, jobScenarios } from '../gitlab/scenarios.ts'

const binary = runnerBinary()
if (binary === undefined)
  console.warn('SKIPPED: SLIPWAY_GITLAB_RUNNER_BIN names no gitlab-runner to test with')

describe.skipIf(binary === undefined)('a real runner', () => {
  let bench: FrontBench
  let gitlab: GitLab
  let runner: RunningRunner

  const start = (): Promise<RunningRunner> =>
    startRunner({
      binary: binary ?? '',
      gitlab,
      directory: join(bench.directory, 'runner'),
      executor: customExecutor(bench.directory),
    })

  beforeAll(async () => {
    // What a guest has from its tools disk.
    process.env.PATH = `${dirname(binary ?? '')}:${process.env.PATH}`
    bench = await FrontBench.start(
      (directory) => `builds_dir = "${directory}/b"\ncache_dir = "${directory}/c"`,
    )
    gitlab = await startGitLab({ directory: bench.directory })
    runner = await start()
  })

  afterAll(async () => {
    await runner?.[Symbol.asyncDispose]()
    await gitlab?.[Symbol.asyncDispose]()
    await bench?.[Symbol.asyncDispose]()
  })

  const scene = () => ({ gitlab, variables: {}, image: 'debian:12', timeoutS: 15 })
  jobScenarios(scene)
  choiceScenarios(scene)

  test('a machine that cannot be made is told in the log, tried three times, and is no fault of the job', async () => {
    bench.leases.onAsk = (server, name) =>
      server.end(name, 'failed', {
        failure: { code: 'create_failed', args: { machine: 'm-1', step: 'boot', detail: 'silence' } },
        timeline: [{ step: 'overlay', atMs: 12 }],
        consoleTail: ['Kernel panic'],
      })
    const job = gitlab.queue({ script: 'true' })
    expect(await job.wait(), job.log).toMatchObject({
      state: 'failed',
      failureReason: 'runner_system_failure',
    })
    expect(job.log.match(/error create_failed/g)).toHaveLength(3)
    expect(job.log).toMatch(/12 ms {2}overlay[\s\S]*\| Kernel panic/)
    bench.leases.onAsk = (server, name) => server.grant(name)
  })

  test('a runner killed under a job leaves no lease', async () => {
    const job = gitlab.queue({ script: CHATTY })
    await job.waitForLog(/^started/m)
    const released = bench.leases.called('leaseRelease')
    await runner.kill('SIGKILL')
    await released
    expect(bench.leases.names.filter((name) => bench.leases.lease(name)?.state !== 'ended')).toEqual([])
    runner = await start()
  })

  test('nothing the runner sent was out of place, and no stage printed a secret of ours', () => {
    expect(gitlab.refusals).toEqual([])
    expect(runner.log()).not.toContain('slw_')
  })
})
