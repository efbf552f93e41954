/** `clone-until.ts REQUEST.json`: clones, and dies by SIGKILL as soon as the named step is done. */
import { readFileSync } from 'node:fs'
import { LibvirtDriver } from '../../src/agent/drivers/libvirt/index.ts'

const { settings, machine, image, spec, step } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
const signal = new AbortController().signal
const driver = new LibvirtDriver({ ...settings, stock: 0 })
await driver.prepare({ signal })
await driver.clone({
  machine,
  spec,
  image: image.manifest,
  disk: image.disk,
  signal,
  step: (name) => {
    if (name === step) process.kill(process.pid, 'SIGKILL')
  },
})
