/** What a hull may take of its host while it is nobody's machine, and no room is reserved for it. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HullRequest, Template } from '../../src/agent/drivers/driver.ts'
import type { LibvirtDriver } from '../../src/agent/drivers/libvirt/index.ts'
import { type MachineId, SlipwayError, shapeOf } from '../../src/model/index.ts'
import { type LibvirtHost, libvirtHost } from '../conformance/libvirt-host.ts'

const never = new AbortController().signal
const MIB = 1024 * 1024
const GUEST_MIB = 1_024
/** QEMU itself, and the code it translates. */
const EMULATOR_MIB = 256 + 128
const DEADLINE_MS = 120_000

let host: LibvirtHost
let driver: LibvirtDriver
let template: Template

const spec = () => ({ ...host.spec, memoryMiB: GUEST_MIB })
const sync = (machine: MachineId) => driver.guest(machine).sync({ signal: never, deadlineMs: DEADLINE_MS })
const makeHull = (rehearse: HullRequest['rehearse']): Promise<MachineId> =>
  driver.makeHull({ template, image: host.image, disk: host.disk, rehearse, signal: never })

beforeAll(async () => {
  host = await libvirtHost()
  driver = await host.open()
  await driver.prepare({ signal: never })
  const { image, disk } = host
  template = await driver.buildTemplate({
    ...{ shape: shapeOf(spec()), image, disk, forbidden: [], step: () => {}, signal: never },
    warm: ({ machine }) => sync(machine),
  })
})
afterAll(() => host.close())

/** By the control group that its QEMU is in, in whichever version. */
async function limitMiB(machine: MachineId): Promise<number> {
  const groups = (await readFile(`/proc/${await host.qemuOf(machine)}/cgroup`, 'utf8')).trim().split('\n')
  const path = groups
    .map((line) => line.split(':'))
    .find(([, controllers]) => controllers === 'memory' || controllers === '')?.[2]
    ?.replace(/\/(vcpu|emulator)[^/]*$/, '')
  const files = [`/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`, `/sys/fs/cgroup${path}/memory.max`]
  const limits = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))
  return Number(limits.find((limit) => limit !== '')) / MIB
}

test('may hold what its emulator needs, and a machine’s memory once it is launched', async () => {
  const hull = await makeHull(sync)
  expect(await limitMiB(hull)).toBe(EMULATOR_MIB)
  const { image, disk } = host
  await driver.clone({
    ...{ machine: hull, spec: spec(), image, disk, template: template.id, step: () => {}, signal: never },
  })
  expect(await limitMiB(hull)).toBe(GUEST_MIB + EMULATOR_MIB)
  await sync(hull)
  await driver.destroy(hull)
})

test('ends if its guest writes more, and nothing is left of it', async () => {
  const fill = `mkdir -p /run/f && mount -t tmpfs -o size=90% none /run/f && dd if=/dev/zero of=/run/f/filler bs=1M count=${EMULATOR_MIB + 64}`
  let exit: unknown
  const greedy = makeHull(async (machine) => {
    const within = { stdin: '', signal: never, deadlineMs: DEADLINE_MS }
    exit = await driver.guest(machine).exec('/bin/sh', ['-c', fill], within)
  })
  await expect(greedy).rejects.toBeInstanceOf(SlipwayError)
  expect(exit).toBeUndefined()
  expect(await driver.templates()).toEqual([template])
  expect((await driver.list()).filter(({ kept }) => !kept)).toEqual([])
})
