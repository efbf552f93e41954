/** `slipway run debian` as the README has it, where the image was built. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ImageStore, readAgentConfig } from '../../src/agent/index.ts'
import { call, layOut, type Paths, processesOf, remove } from '../up/instance.ts'

const { images } = await readAgentConfig('/nonexistent')
const made = (await new ImageStore(images).list()).some(({ name }) => name === 'debian')
if (!made) console.warn('SKIPPED: no Debian image; make it with `slipway image build debian`')
const root = process.getuid?.() === 0
/** A boot of systemd under emulation on a busy machine. */
const RUN_MS = 280_000

let paths: Paths
beforeAll(() => {
  paths = layOut({ driver: 'libvirt', images })
})
afterAll(() => remove(paths))

test.skipIf(!made || !root)(
  'a Debian of its own runs the command, and its exit code is passed on',
  async () => {
    const { code, stdout } = await call(paths, 'run', 'debian', '--', 'sh', '-c', 'uname -a; exit 7')
    expect([code, stdout]).toEqual([7, expect.stringMatching(/^Linux m-\w+ .*Debian/)])
    expect(processesOf(paths)).toEqual([])
    expect(await call(paths, 'audit')).toMatchObject({ code: 0 })
  },
  RUN_MS,
)
