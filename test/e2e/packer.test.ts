/**
 * A job in what Packer made, as it is imported: cold, and in a clone of the template that is built of it meanwhile.
 * The images take minutes to make, so they are looked for only.
 */
import { spawnSync } from 'node:child_process'
import { afterEach, describe, expect, test } from 'vitest'
import type { LeaseView } from '../../src/api/index.ts'
import { KINDS, type Kind, MAKE_PACKER_IMAGES, packerImage } from '../packer/image.ts'
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
const packer = spawnSync('packer', ['version']).error === undefined
/** A boot of systemd under emulation, its warming and a look at all of its memory, on a busy machine. */
const TEMPLATE_MS = 300_000
const GONE_MS = 60_000

const stores = new Map<Kind, string | undefined>()
for (const kind of KINDS) stores.set(kind, packer ? await packerImage(kind) : undefined)
if (!packer) console.warn('SKIPPED: no Packer')
else if ([...stores.values()].includes(undefined))
  console.warn(`SKIPPED: no images made by Packer; make them with \`${MAKE_PACKER_IMAGES}\``)

let paths: Paths | undefined
let up: Started | undefined
afterEach(async () => {
  up?.child.kill('SIGTERM')
  await up?.ended
  const left = paths
  if (left === undefined) return
  await eventually('all processes end', GONE_MS, () => processesOf(left).length === 0)
  remove(left)
})

describe.each(KINDS)('the image that Packer made by the recipe %s', (kind) => {
  const images = stores.get(kind)
  test.skipIf(images === undefined || !root)(
    'runs a job in a machine that boots, and the next in a clone',
    async () => {
      const flavor = `[[flavor]]\nname = "made"\nimage = "${kind}"\nvcpus = 1\nmemory_mib = 1024\ndisk_gib = 12\nallow_emulation = true\n`
      const own = layOut({ driver: 'libvirt', ...(images && { images }), coordinatorToml: flavor })
      paths = own
      up = start(own, ['up'])
      expect(await up.firstLine).toMatch(/^ready/)

      const cold = await job(own)
      expect(cold.steps).toContain('cold')
      await eventually('its template is ready', TEMPLATE_MS, async () =>
        /^t-\w+ +ready /m.test((await call(own, 'template', 'ls')).stdout),
      )
      const warm = await job(own)
      expect(warm.steps).toContain('warm')
      expect(warm.machineId).not.toBe(cold.machineId)
      const audit = await call(own, 'audit')
      expect(audit.code, audit.stdout).toBe(0)
    },
    600_000,
  )
})

/** What a job is promised of an image: git, a disk that has grown to the flavor's, an identity of its own. */
async function job(own: Paths) {
  const script = 'git --version; cat /etc/machine-id; df --output=size -BG / | tail -n 1; exit 7'
  const { code, stdout, stderr } = await call(own, 'run', 'made', '--', 'sh', '-c', script)
  expect(code, stderr).toBe(7)
  const [git, machineId = '', size] = stdout.split('\n')
  expect(git).toMatch(/^git version 2/)
  expect(machineId).toMatch(/^[0-9a-f]{32}$/)
  expect(Number.parseInt(size ?? '', 10)).toBeGreaterThan(10)
  const [, name = ''] = /lease (run-\w+) asks/.exec(stderr) ?? []
  const lease: LeaseView = JSON.parse((await call(own, 'explain', '--json', name)).stdout)
  return { machineId, steps: (lease.timeline ?? []).map(({ step }) => step) }
}
