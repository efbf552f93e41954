/**
 * A real gitlab-runner's docker-autoscaler with our plugin and real machines: Docker's engine runs in each, the runner
 * reaches it by SSH, and each job is a container in a machine of its own. Nothing is pulled. The image with the jobs'
 * container images takes minutes to make, so it is looked for only.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tokenOf } from '../fleeting/token.ts'
import { dockerImage, MAKE_DOCKER_IMAGE } from '../gitlab/docker-image.ts'
import { dockerExecutor } from '../gitlab/fleeting.ts'
import { runnerBinary } from '../gitlab/index.ts'
import { RealBench } from '../gitlab/real-bench.ts'
import { jobScenarios } from '../gitlab/scenarios.ts'
import { type Paths, pidsOf } from '../up/instance.ts'

const binary = runnerBinary()
const image = await dockerImage()
if (binary === undefined)
  console.warn('SKIPPED: SLIPWAY_GITLAB_RUNNER_BIN names no gitlab-runner to test with')
else if (image === undefined)
  console.warn(`SKIPPED: no image with Docker; make it with \`${MAKE_DOCKER_IMAGE}\``)
const root = process.getuid?.() === 0
const JOBS = Number(process.env.SLIPWAY_TEST_JOBS ?? 6)
const IDLE = 2
const MACHINES = 4
/** For a job whose machine has yet to be made, under emulation. */
const JOB_MS = 120_000
/** To boot, to load the container images, to be frozen. */
const TEMPLATE_MS = 600_000

describe.skipIf(binary === undefined || image === undefined || !root)(
  'a real runner’s docker-autoscaler and real machines',
  { timeout: 600_000 },
  () => {
    let bench: RealBench
    const variables = { GIT_STRATEGY: 'none' }
    const queue = (script: string | readonly string[]) => bench.gitlab.queue({ script, variables })

    async function executorOf(paths: Paths, runner: string, docker: object = {}): Promise<string> {
      return dockerExecutor({
        pluginConfig: {
          flavor: 'small',
          socket: join(paths.run, 'lease.sock'),
          token_file: await tokenOf(paths, runner),
          ttl_s: 60,
        },
        idleCount: IDLE,
        maxInstances: MACHINES,
        docker: {
          image: 'jobs/busybox:1',
          helper_image: 'jobs/helper:1',
          pull_policy: 'never',
          disable_cache: true,
          network_mode: 'host',
          // A folder of the machine, which outlives the container.
          volumes: ['/var/lib/machine:/machine'],
          ...docker,
        },
      })
    }

    beforeAll(async () => {
      bench = await RealBench.start({
        binary: binary ?? '',
        images: image ?? '',
        image: 'docker-jobs',
        memoryMiB: 1024,
        shell: 'sh',
        limit: 2 * MACHINES,
        concurrent: MACHINES,
        executor: (paths) => executorOf(paths, 'manager'),
      })
      const first = queue('echo first')
      expect(await first.wait(TEMPLATE_MS), first.log).toEqual({ state: 'success' })
    }, TEMPLATE_MS)
    afterAll(() => bench?.[Symbol.asyncDispose]())

    jobScenarios(() => ({ gitlab: bench.gitlab, variables, timeoutS: 120 }))

    test(
      `${JOBS} jobs each have a machine that no other job has seen`,
      async () => {
        const jobs = Array.from({ length: JOBS }, (_, n) =>
          queue(`test ! -e /machine/used && touch /machine/used && echo job ${n} && hostname`),
        )
        for (const job of jobs) expect(await job.wait(JOBS * JOB_MS), job.log).toEqual({ state: 'success' })
      },
      JOBS * JOB_MS,
    )

    const reachesNoMore = async (): Promise<void> => {
      const { hostname, origin } = new URL(bench.gitlab.url)
      await using other = await listening(hostname)
      expect(await (await fetch(other.url)).text()).toBe('reached')
      const job = queue([get(`${origin}/root/project.git/HEAD`), `${get(other.url)} || echo refused`])
      expect(await job.wait(), job.log).toEqual({ state: 'success' })
      expect(job.log).toMatch(/^ref: [\s\S]*^refused/m)
      expect(job.log).not.toMatch(/^reached/m)
    }

    test('a container with its machine’s own network reaches what its machine may, no more', reachesNoMore)

    test('so does one with every right, on a bridge', async () => {
      await bench.stopRunners()
      const docker = { privileged: true, network_mode: 'bridge' }
      await bench.startRunner('privileged', await executorOf(bench.paths, 'manager', docker))
      await reachesNoMore()
    })

    test('stopped runners leave no plugin, lease or machine, and the audit finds nothing', async () => {
      await bench.stopRunners()
      expect(pidsOf('fleeting-plugin')).toEqual([])
      await bench.nothingLeft()
      await bench.noMachine(JOB_MS)
      expect(bench.gitlab.refusals).toEqual([])
    })
  },
)

/** A static busybox looks no name up, of a service neither: its wget does. */
function get(url: string): string {
  const { hostname, port, pathname } = new URL(url)
  // Its nc hangs up when its input ends, before a busy host has answered.
  return `{ printf 'GET ${pathname} HTTP/1.0\\r\\n\\r\\n'; sleep 5; } | nc -w 10 ${hostname} ${port}`
}

/** A server beside GitLab that no flavor allows. */
async function listening(host: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_, response) => response.end('reached'))
  server.listen(0, host)
  await once(server, 'listening')
  const url = `http://${host}:${(server.address() as AddressInfo).port}/`
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return { url, [Symbol.asyncDispose]: close }
}
