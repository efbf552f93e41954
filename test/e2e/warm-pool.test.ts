/**
 * A pool of the tiny image in real machines: its first template is built before anybody asks, what follows are clones
 * of it, and whoever asks, by `slipway run` or through GitLab's custom executor, is given one that is ready.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { LeaseView, MachineView } from '../../src/api/index.ts'
import { tinyImage } from '../conformance/tiny-image.ts'
import { RunnerJobSide } from '../fronts/stage-process.ts'
import {
  call,
  eventually,
  layOut,
  type Paths,
  processesOf,
  remove,
  type Started,
  start,
} from '../up/instance.ts'

const root = process.getuid?.() === 0
/** A boot under emulation, its warming and a look at all of its memory, on a busy machine. */
const BUILD_MS = 280_000
const CLONE_MS = 120_000
const FLAVOR = `[[flavor]]
name = "tiny"
image = "tiny"
vcpus = 1
memory_mib = 256
disk_gib = 1
idle = 1
allow_emulation = true
`

vi.setConfig({ testTimeout: 420_000, hookTimeout: 120_000 })

interface Lists {
  readonly machines: readonly MachineView[]
  readonly leases: readonly LeaseView[]
}

describe.skipIf(!root)('a pool with a template', () => {
  let paths: Paths
  let up: Started

  beforeAll(() => {
    paths = layOut({ driver: 'libvirt', images: tinyImage().dir, coordinatorToml: FLAVOR })
    up = start(paths, ['up'])
  })

  afterAll(async () => {
    up.child.kill('SIGTERM')
    await up.ended
    await eventually('all processes end', 60_000, () => processesOf(paths).length === 0)
    remove(paths)
  })

  const lists = async (...flags: readonly string[]): Promise<Lists> =>
    JSON.parse((await call(paths, 'ls', '--json', ...flags)).stdout) as Lists

  const idle = (deadlineMs: number): Promise<MachineView> =>
    eventually('a machine is ready', deadlineMs, async () =>
      (await lists()).machines.find(({ state }) => state === 'ready'),
    )

  const steps = ({ timeline = [] }: Pick<LeaseView, 'timeline'>) => timeline.map(({ step }) => step)

  test('builds the template first, and fills itself with clones of it', async () => {
    expect(await up.firstLine).toMatch(/^ready/)
    const machine = await idle(BUILD_MS)
    expect(up.stderr()).toContain('template_built')
    expect(steps(machine)).toContain('warm')
  })

  test('serves `slipway run` with what was ready, and refills itself', async () => {
    const { machine } = await idle(CLONE_MS)
    const ran = await call(paths, 'run', 'tiny', '--', 'true')
    expect(ran).toMatchObject({ code: 0 })
    const { leases } = await lists('--all')
    const [lease] = leases.filter(({ state }) => state === 'ended')
    expect(lease).toMatchObject({ machine, end: 'released' })
    // It waited on no host and no guest: the machine was ready before it asked.
    expect((lease?.grantedAtMs ?? Number.POSITIVE_INFINITY) - (lease?.askedAtMs ?? 0)).toBeLessThan(1_000)
    expect(lease && steps(lease)).toContain('warm')
    const next = await idle(CLONE_MS)
    expect(next.machine).not.toBe(machine)
    expect(steps(next)).toContain('warm')
  })

  test('lists its template, refuses to remove it under a machine, and replaces it on demand', async () => {
    await idle(CLONE_MS)
    const shown = await call(paths, 'template', 'ls')
    expect(shown.stdout).toMatch(/^t-\w+ +ready +tiny +tiny /m)
    const [id = ''] = /^t-\w+/m.exec(shown.stdout) ?? []
    expect(await call(paths, 'template', 'rm', id)).toMatchObject({ code: 1 })
    expect(await call(paths, 'template', 'rebuild', 'tiny')).toMatchObject({ code: 0, stdout: `${id}\n` })
    await eventually('another template is ready', BUILD_MS, async () => {
      const { stdout } = await call(paths, 'template', 'ls')
      return /^t-\w+ +retiring /m.test(stdout) && /^t-\w+ +ready /m.test(stdout)
    })
  })

  test('serves a runner from a pool and a template of its own trust domain, through the custom executor', async () => {
    const token = await call(paths, 'token', 'create', 'shop', '--trust-domain', 'shop')
    writeFileSync(join(paths.config, 'token'), token.stdout, { mode: 0o600 })
    const front = `socket = ${JSON.stringify(join(paths.run, 'lease.sock'))}\ntoken_file = "token"\n`
    writeFileSync(
      join(paths.config, 'custom-executor.toml'),
      `${front}default_flavor = "tiny"\nshell = "sh"\n`,
    )
    const ready = await eventually('a machine of the shop is ready', BUILD_MS, async () =>
      (await lists()).machines.find(({ state, spec }) => state === 'ready' && spec.trustDomain === 'shop'),
    )
    expect(steps(ready)).toContain('warm')
    const job = await RunnerJobSide.make({ config: paths.config, directory: join(paths.folder, 'job') })
    expect(await job.call('prepare')).toMatchObject({ code: 0 })
    expect(await job.run('step_script', 'uname')).toMatchObject({ code: 0 })
    expect(await job.call('cleanup')).toMatchObject({ code: 0 })
    const { leases } = await lists('--all')
    const lease = leases.find(({ trustDomain }) => trustDomain === 'shop')
    expect(lease).toMatchObject({ machine: ready.machine, end: 'released' })
    expect((lease?.grantedAtMs ?? Number.POSITIVE_INFINITY) - (lease?.askedAtMs ?? 0)).toBeLessThan(1_000)
  })
})
