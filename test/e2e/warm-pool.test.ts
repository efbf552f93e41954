/**
 * A pool of the tiny image in real machines: its first template is built before anybody asks, what follows are clones
 * of it, and whoever asks, by `slipway run` or through GitLab's custom executor, is given one that is ready.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { LeaseView, MachineView } from '../../src/api/index.ts'
import { tinyImage } from '../conformance/tiny-image.ts'
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
})
