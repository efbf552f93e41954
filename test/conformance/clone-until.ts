/** `clone-until.ts REQUEST.json`: clones, or freezes, and dies by SIGKILL as soon as the named step is done. */
import { readFileSync } from 'node:fs'
import { LibvirtDriver } from '../../src/agent/drivers/libvirt/index.ts'
import { shapeOf } from '../../src/model/index.ts'

const { settings, machine, image, spec, step, template } = JSON.parse(
  readFileSync(process.argv[2] ?? '', 'utf8'),
)
const signal = new AbortController().signal
const driver = new LibvirtDriver({ ...settings, stock: 0 })
const common = {
  image: image.manifest,
  disk: image.disk,
  signal,
  step: (name: string) => {
    if (name === step) process.kill(process.pid, 'SIGKILL')
  },
}
await driver.prepare({ signal })
if (template) {
  const warm = (guest: { machine: typeof machine }) =>
    driver.guest(guest.machine).sync({ signal, deadlineMs: 90_000 })
  await driver.buildTemplate({ ...common, shape: shapeOf(spec), forbidden: [], warm })
} else await driver.clone({ ...common, machine, spec })
