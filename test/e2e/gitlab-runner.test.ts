/** A real gitlab-runner's jobs in real machines of the tiny image, ended in every way, and what is left: nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tinyImage } from '../conformance/tiny-image.ts'
import { runnerBinary } from '../gitlab/index.ts'
import { RealBench } from '../gitlab/real-bench.ts'
import { CHATTY, choiceScenarios, jobScenarios } from '../gitlab/scenarios.ts'
import { pidsOf, qemuOf } from '../up/instance.ts'

const binary = runnerBinary()
if (binary === undefined)
  console.warn('SKIPPED: SLIPWAY_GITLAB_RUNNER_BIN names no gitlab-runner to test with')
const root = process.getuid?.() === 0

describe.skipIf(binary === undefined || !root)(
  'a real runner and real machines',
  { timeout: 400_000 },
  () => {
    let bench: RealBench
    /** The tiny image has no git. */
    const variables = { GIT_STRATEGY: 'none' }

    beforeAll(async () => {
      const { dir: images } = tinyImage()
      bench = await RealBench.start({
        binary: binary ?? '',
        images,
        image: 'tiny',
        memoryMiB: 512,
        shell: 'sh',
      })
    })
    afterAll(() => bench?.[Symbol.asyncDispose]())

    const scene = () => ({ gitlab: bench.gitlab, variables, image: 'tiny:1', timeoutS: 120 })
    jobScenarios(scene)
    choiceScenarios(scene)

    test("a guest that powers itself off is the job's failure", async () => {
      const job = bench.gitlab.queue({ script: 'echo bye; poweroff -f', variables })
      expect(await job.wait(), job.log).toMatchObject({ state: 'failed', failureReason: 'script_failure' })
      expect(job.log).toContain('error machine_stopped')
    })

    test("a machine whose QEMU is killed is the system's failure", async () => {
      const job = bench.gitlab.queue({ script: CHATTY, variables })
      await job.waitForLog(/^started/m)
      const [, machine] = /machine (m-\w+) /.exec(job.log) ?? []
      process.kill(qemuOf(bench.paths, machine) ?? 0, 'SIGKILL')
      expect(await job.wait(), job.log).toMatchObject({ failureReason: 'runner_system_failure' })
      expect(job.log).toContain('error machine_lost')
    })

    test('coordinator and agent are killed under a job, which passes', async () => {
      const script = [
        'echo started; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 2; echo tick $i; done',
        'echo still here',
      ]
      const job = bench.gitlab.queue({ script, variables })
      await job.waitForLog(/^started/m)
      for (const part of ['coordinator', 'agent']) {
        const [pid] = pidsOf('--config', bench.paths.config, part)
        process.kill(pid ?? 0, 'SIGKILL')
      }
      expect(await job.wait(), job.log).toEqual({ state: 'success' })
      expect(job.log).toMatch(/^still here/m)
    })

    test('a runner killed under a job leaves neither lease nor machine', async () => {
      const job = bench.gitlab.queue({ script: CHATTY, variables })
      await job.waitForLog(/^started/m)
      await bench.killRunner()
      await bench.nothingLeft()
      await bench.startRunner()
    })

    test('after all of them the audit finds nothing', async () => {
      await bench.nothingLeft()
      expect(bench.gitlab.refusals).toEqual([])
    })
  },
)
