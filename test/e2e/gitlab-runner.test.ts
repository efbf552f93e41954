/**
 * The whole path with nothing played but GitLab: a real gitlab-runner, the front, coordinator, agent, libvirt, QEMU,
 * and jobs in machines of their own. GitLab stands on a private address that only the flavor's allow-list opens.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tinyImage } from '../conformance/tiny-image.ts'
import { customExecutor } from '../gitlab/custom-executor.ts'
import { type GitLab, type RunningRunner, runnerBinary, startGitLab, startRunner } from '../gitlab/index.ts'
import { CHATTY, jobScenarios } from '../gitlab/scenarios.ts'
import { call, eventually, layOut, type Paths, remove, type Started, start } from '../up/instance.ts'

const binary = runnerBinary()
if (binary === undefined)
  console.warn('SKIPPED: SLIPWAY_GITLAB_RUNNER_BIN names no gitlab-runner to test with')
const root = process.getuid?.() === 0

/** In this file's own network namespace. */
const GITLAB_ADDRESS = '10.20.0.1'
/** Promised for orphans. */
const GONE_MS = 60_000

describe.skipIf(binary === undefined || !root)(
  'a real runner and real machines',
  { timeout: 400_000 },
  () => {
    let paths: Paths
    let slipway: Started
    let gitlab: GitLab
    let runner: RunningRunner

    const startTheRunner = (): Promise<RunningRunner> =>
      startRunner({
        binary: binary ?? '',
        gitlab,
        directory: join(paths.folder, 'runner'),
        executor: customExecutor(paths.config),
      })

    beforeAll(async () => {
      execFileSync('ip', ['address', 'add', `${GITLAB_ADDRESS}/32`, 'dev', 'lo'])
      paths = layOut({
        driver: 'libvirt',
        images: tinyImage().dir,
        agentToml: `tools = ${JSON.stringify(binary)}\n`,
      })
      gitlab = await startGitLab({ directory: join(paths.folder, 'gitlab'), host: GITLAB_ADDRESS })
      const { host } = new URL(gitlab.url)
      const flavor = `[[flavor]]\nname = "small"\nimage = "tiny"\nvcpus = 1\nmemory_mib = 512\ndisk_gib = 1
allow = ["${host}"]\nallow_emulation = true\nlimit = 2\n`
      writeFileSync(join(paths.config, 'coordinator.toml'), flavor, { flag: 'a' })
      slipway = start(paths, ['up'])
      expect(await slipway.firstLine, slipway.stderr()).toMatch(/^ready/)
      const token = await call(paths, 'token', 'create', 'gitlab')
      writeFileSync(join(paths.config, 'token'), token.stdout, { mode: 0o600 })
      const front = `socket = ${JSON.stringify(join(paths.run, 'lease.sock'))}\ntoken_file = "token"
default_flavor = "small"\nshell = "sh"\n[images]\n"tiny:1" = { flavor = "small" }\n`
      writeFileSync(join(paths.config, 'custom-executor.toml'), front)
      runner = await startTheRunner()
    })

    afterAll(async () => {
      await runner?.[Symbol.asyncDispose]()
      slipway?.child.kill('SIGTERM')
      await slipway?.ended
      await gitlab?.[Symbol.asyncDispose]()
      if (paths === undefined) return
      remove(paths)
    })

    jobScenarios(() => ({ gitlab, variables: { GIT_STRATEGY: 'none' }, image: 'tiny:1', timeoutS: 120 }))

    const nothingLeft = (): Promise<boolean> =>
      eventually('the audit finds nothing and no lease lives', GONE_MS, async () => {
        const audit = await call(paths, 'audit')
        const leases = JSON.parse((await call(paths, 'ls', '--json')).stdout).leases
        return audit.code === 0 && leases.length === 0
      })

    test("a guest that powers itself off is the job's failure", async () => {
      const job = gitlab.queue({ script: 'echo bye; poweroff -f', variables: { GIT_STRATEGY: 'none' } })
      expect(await job.wait(), job.log).toMatchObject({ state: 'failed', failureReason: 'script_failure' })
      expect(job.log).toContain('error machine_stopped')
    })

    test('a runner killed under a job leaves neither lease nor machine', async () => {
      const job = gitlab.queue({ script: CHATTY, variables: { GIT_STRATEGY: 'none' } })
      await job.waitForLog(/^started/m)
      await runner.kill('SIGKILL')
      await nothingLeft()
      runner = await startTheRunner()
    })

    test('after all of them the audit finds nothing', async () => {
      await nothingLeft()
      expect(gitlab.refusals).toEqual([])
    })
  },
)
