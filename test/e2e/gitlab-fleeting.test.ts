/** A real gitlab-runner's autoscaler with our plugin and real machines of the tiny image: each job has one of its own. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tinyImage } from '../conformance/tiny-image.ts'
import { tokenOf } from '../fleeting/token.ts'
import { instanceExecutor } from '../gitlab/fleeting.ts'
import { runnerBinary } from '../gitlab/index.ts'
import { RealBench } from '../gitlab/real-bench.ts'
import { CHATTY, jobScenarios } from '../gitlab/scenarios.ts'
import { call, eventually, type Paths, pidsOf } from '../up/instance.ts'

const binary = runnerBinary()
if (binary === undefined)
  console.warn('SKIPPED: SLIPWAY_GITLAB_RUNNER_BIN names no gitlab-runner to test with')
const root = process.getuid?.() === 0
/** Each boots a guest; under emulation that is the time this takes. */
const JOBS = Number(process.env.SLIPWAY_TEST_JOBS ?? 12)
const IDLE = 2
/** For a guest under emulation. */
const BOOT_MS = 180_000
const MACHINES = 4

describe.skipIf(binary === undefined || !root)(
  'a real runner’s autoscaler and real machines',
  { timeout: 600_000 },
  () => {
    let bench: RealBench
    /** The tiny image has no git. */
    const variables = { GIT_STRATEGY: 'none' }
    const queue = (script: string | readonly string[]) => bench.gitlab.queue({ script, variables })

    /** `[[runners]]` of a runner manager with a token of its own. */
    async function executorOf(paths: Paths, runner: string): Promise<string> {
      return instanceExecutor({
        pluginConfig: {
          flavor: 'small',
          socket: join(paths.run, 'lease.sock'),
          token_file: await tokenOf(paths, runner),
          ttl_s: 60,
        },
        idleCount: IDLE,
        maxInstances: MACHINES,
        shell: 'sh',
      })
    }
    const pluginPids = () => pidsOf('fleeting-plugin')

    beforeAll(async () => {
      const { dir: images } = tinyImage()
      bench = await RealBench.start({
        binary: binary ?? '',
        images,
        image: 'tiny',
        memoryMiB: 256,
        shell: 'sh',
        limit: 2 * MACHINES,
        concurrent: MACHINES,
        executor: (paths) => executorOf(paths, 'manager'),
      })
    }, 300_000)
    afterAll(() => bench?.[Symbol.asyncDispose]())

    jobScenarios(() => ({ gitlab: bench.gitlab, variables, timeoutS: 120 }))

    test(
      `${JOBS} jobs each have a machine that no other job has seen`,
      async () => {
        const jobs = Array.from({ length: JOBS }, (_, n) =>
          queue(`test ! -e /tmp/used && touch /tmp/used && echo job ${n} && hostname`),
        )
        for (const job of jobs) expect(await job.wait(JOBS * 60_000), job.log).toEqual({ state: 'success' })
      },
      JOBS * 60_000,
    )

    test('coordinator and agent are killed under a job, which passes', async () => {
      const job = queue([
        'echo started; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 2; echo tick $i; done',
        'echo still here',
      ])
      await job.waitForLog(/^started/m)
      for (const part of ['coordinator', 'agent']) {
        const [pid] = pidsOf('--config', bench.paths.config, part)
        process.kill(pid ?? 0, 'SIGKILL')
      }
      expect(await job.wait(), job.log).toEqual({ state: 'success' })
      const after = queue('echo next')
      expect(await after.wait(), after.log).toEqual({ state: 'success' })
    })

    test('a runner killed under a job leaves no plugin, and goes on when it is started again', async () => {
      const before = pluginPids()
      const job = queue(CHATTY)
      await job.waitForLog(/^started/m)
      await bench.killRunner()
      await eventually('its plugin is gone', 5_000, () => pluginPids().length === before.length - 1)
      await bench.startRunner()
      const after = queue('echo next')
      expect(await after.wait(), after.log).toEqual({ state: 'success' })
    })

    test('two runner managers share the machines, and neither touches what the other has', async () => {
      await bench.startRunner('second', await executorOf(bench.paths, 'second'))
      const jobs = Array.from({ length: 6 }, () => queue('test ! -e /tmp/used && touch /tmp/used && sleep 5'))
      for (const job of jobs) expect(await job.wait(), job.log).toEqual({ state: 'success' })
      const { leases } = JSON.parse((await call(bench.paths, 'ls', '--json')).stdout)
      expect(new Set(leases.map(({ runner }: { runner: string }) => runner))).toEqual(
        new Set(['manager', 'second']),
      )
    })

    test('stopped runners leave no plugin, lease or machine, and the audit finds nothing', async () => {
      await bench.stopRunners()
      expect(pluginPids()).toEqual([])
      await bench.nothingLeft()
      // One that nobody waits for any more is finished before it goes.
      await bench.noMachine(BOOT_MS)
      expect(bench.gitlab.refusals).toEqual([])
    })
  },
)
