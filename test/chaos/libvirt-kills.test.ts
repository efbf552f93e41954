/** SIGKILL, SIGSTOP and their like, to every process a machine needs; what remains is looked at from outside. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, copyFile, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type DriverEvent, TEMPLATE_STEPS } from '../../src/agent/drivers/driver.ts'
import { machineCgroups } from '../../src/agent/drivers/libvirt/cgroup.ts'
import { enclosedProcesses } from '../../src/agent/drivers/libvirt/daemon/index.ts'
import { LibvirtDriver } from '../../src/agent/drivers/libvirt/index.ts'
import type { MachineId } from '../../src/model/index.ts'
import { type LibvirtHost, libvirtHost } from '../conformance/libvirt-host.ts'
import { promisedMs } from '../up/patience.ts'

const never = new AbortController().signal
/** An agent must be in control again within this after a kill. */
const CONTROL_MS_MAX = 5_000

let host: LibvirtHost
let driver: LibvirtDriver
beforeEach(async () => {
  host = await libvirtHost()
  driver = await host.open()
  await driver.prepare({ signal: never })
})
afterEach(() => host.close())

async function clone(machine = host.machine()): Promise<MachineId> {
  await driver.clone({
    machine,
    spec: host.spec,
    image: host.image,
    disk: host.disk,
    step: () => {},
    signal: never,
  })
  return machine
}

async function killDaemon(
  name: 'libvirtd' | 'virtlogd',
  signal: NodeJS.Signals = 'SIGKILL',
): Promise<number> {
  const pid = await pidOf(name)
  process.kill(pid, signal)
  return pid
}

const pidOf = async (name: string): Promise<number> =>
  Number(await readFile(join(host.settings.runDir, `libvirtd/run/${name}.pid`), 'utf8'))

/** One that is dead is seen within half a second, one that is deaf within ten; the rest is for a busy machine. */
const BACK = { timeout: 60_000, interval: 100 }

/** How long `running` took to answer, after waiting for the daemon that was killed to be really gone. */
async function backAfter(): Promise<{ readonly tookMs: number; readonly running: ReadonlySet<MachineId> }> {
  const startedMs = performance.now()
  await delay(50)
  const running = await driver.running()
  return { tookMs: performance.now() - startedMs, running }
}

/** Whatever the host still knows of any machine, by its own tools. */
async function traces(): Promise<readonly string[]> {
  const { runDir, stateDir, host: id } = host.settings
  const inside = async (dir: string, pattern: RegExp) =>
    (await readdir(dir).catch(() => [])).filter((name) => pattern.test(name)).map((name) => join(dir, name))
  const qemus = (await enclosedProcesses(`slw.${id}.libvirtd`)).filter(
    ({ uid }) => uid > host.settings.uidBase,
  )
  return [
    ...(await inside(join(stateDir, 'machines'), /./)),
    ...(await inside(join(runDir, 'slots'), /^\d/)),
    ...(await inside(join(runDir, 'libvirtd/lib/qemu'), /^domain-/)),
    ...(await inside(join(runDir, 'libvirtd/run/qemu'), /slw/)),
    ...(await inside(join(runDir, 'libvirtd/run/qemu/channel'), /./)),
    ...(await inside(join(runDir, 'libvirtd/run/console'), /./)),
    ...(await inside(join(runDir, 'libvirtd/log/qemu'), /./)),
    ...(await machineCgroups()).filter((path) => path.includes(`slw.${id}.`)),
    ...qemus.map(({ pid, uid }) => `process ${pid} of uid ${uid}`),
    ...(await driver.list()).filter(({ kept }) => !kept).map(({ kind, name }) => `${kind} ${name}`),
  ]
}

async function nextEvent(events: AsyncIterable<DriverEvent>): Promise<DriverEvent | undefined> {
  for await (const event of events) return event
  return undefined
}

describe('machines outlive', () => {
  test('five kills of libvirtd, each followed by control within 5 s', async () => {
    const machine = await clone()
    await driver.guest(machine).sync({ signal: never, deadlineMs: 90_000 })
    for (let kill = 0; kill < 5; kill++) {
      await killDaemon('libvirtd')
      const { tookMs, running } = await backAfter()
      expect([...running]).toEqual([machine])
      expect(tookMs).toBeLessThan(promisedMs(CONTROL_MS_MAX))
    }
    await driver.guest(machine).sync({ signal: never, deadlineMs: 10_000 })
    await driver.link(machine, 'up', { signal: never })
    await driver.destroy(machine)
    expect(await traces()).toEqual([])
  })

  test('a kill of virtlogd, and new ones are made', async () => {
    const machine = await clone()
    const killed = await killDaemon('virtlogd')
    await vi.waitFor(async () => expect(await pidOf('virtlogd')).not.toBe(killed), BACK)
    const later = await clone()
    expect(await driver.running()).toEqual(new Set([machine, later]))
  })

  test('a libvirtd that stops answering, which is replaced', async () => {
    const machine = await clone()
    const deaf = await killDaemon('libvirtd', 'SIGSTOP')
    await vi.waitFor(async () => expect(await pidOf('libvirtd')).not.toBe(deaf), BACK)
    expect([...(await driver.running())]).toEqual([machine])
    expect(() => process.kill(deaf, 0)).toThrow()
  })

  test('a restart of the agent while libvirtd is dead', async () => {
    const machine = await clone()
    await driver.close()
    await killDaemon('libvirtd')
    driver = await host.open()
    await driver.prepare({ signal: never })
    expect([...(await driver.running())]).toEqual([machine])
    await driver.destroy(machine)
    expect(await traces()).toEqual([])
  })
})

test('daemons whose namespace lost its name are found, with their machines', async () => {
  const machine = await clone()
  await driver.close()
  await promisify(execFile)('ip', ['netns', 'del', `slw.${host.settings.host}.libvirtd`])
  driver = await host.open()
  await driver.prepare({ signal: never })
  const later = await clone()
  expect(await driver.running()).toEqual(new Set([machine, later]))
  await driver.destroy(machine)
  await driver.destroy(later)
  expect(await traces()).toEqual([])
})

test('a libvirtd killed while it asks QEMU about itself leaves no QEMU', async () => {
  await driver.close()
  await rm(join(host.settings.stateDir, 'libvirt-cache'), { recursive: true })
  driver = await host.open()
  await driver.prepare({ signal: never })
  const asked = async (): Promise<readonly number[]> => {
    const all = await enclosedProcesses(`slw.${host.settings.host}.libvirtd`)
    return all.filter(({ uid }) => uid === host.settings.uidBase).map(({ pid }) => pid)
  }
  const interrupted = Promise.allSettled([clone()])
  let first: readonly number[] = []
  while (first.length === 0) first = await asked()
  await killDaemon('libvirtd')
  await interrupted
  expect(await asked()).not.toEqual(expect.arrayContaining([...first]))
  await driver.destroy(await clone())
  expect(await asked()).toEqual([])
  expect(await traces()).toEqual([])
})

test('a libvirtd that was started with other settings is replaced, and its machines stay', async () => {
  const machine = await clone()
  await driver.close()
  const more = join(host.settings.stateDir, 'more')
  const changed = new LibvirtDriver({ ...host.settings, readOnlyDirs: [...host.settings.readOnlyDirs, more] })
  await changed.prepare({ signal: never })
  expect([...(await changed.running())]).toEqual([machine])
  await copyFile(host.disk, join(more, 'disk.qcow2'))
  await chmod(join(more, 'disk.qcow2'), 0o444)
  const step = (): void => {}
  const later = host.machine()
  await changed.clone({
    machine: later,
    spec: host.spec,
    image: host.image,
    disk: join(more, 'disk.qcow2'),
    step,
    signal: never,
  })
  expect(await changed.running()).toEqual(new Set([machine, later]))
  await changed.destroy(machine)
  await changed.destroy(later)
  await changed.close()
})

describe('a machine whose QEMU is killed', () => {
  test('is told to have crashed, and leaves nothing once destroyed', async () => {
    const machine = await clone()
    const events = driver.events({ signal: never })
    process.kill(await host.qemuOf(machine), 'SIGKILL')
    expect(await nextEvent(events)).toMatchObject({ machine, kind: 'crashed' })
    expect([...(await driver.running())]).toEqual([])
    await driver.destroy(machine)
    expect(await traces()).toEqual([])
  })

  test('together with libvirtd is told to have vanished, and leaves nothing once destroyed', async () => {
    const machine = await clone()
    const events = driver.events({ signal: never })
    const qemu = await host.qemuOf(machine)
    await killDaemon('libvirtd')
    process.kill(qemu, 'SIGKILL')
    expect(await nextEvent(events)).toMatchObject({ machine, kind: 'vanished' })
    await driver.destroy(machine)
    expect(await traces()).toEqual([])
  })
})

test('a QEMU that libvirt has forgotten is found and ended', async () => {
  const machine = await clone()
  await killDaemon('libvirtd', 'SIGSTOP')
  const { runDir } = host.settings
  await rm(join(runDir, `libvirtd/run/qemu/slw.${host.settings.host}.${machine}.xml`))
  await killDaemon('libvirtd')
  await delay(50)
  expect([...(await driver.running())]).toEqual([])
  expect((await driver.list()).filter((each) => each.machine === machine).map(({ kind }) => kind)).toContain(
    'process',
  )
  await driver.destroy(machine)
  expect(await traces()).toEqual([])
})

test('an agent killed after any step of a clone leaves what the next one finds and removes', async () => {
  for (const step of ['namespace', 'overlay', 'domain', 'confined', 'started']) {
    const machine = host.machine()
    await host.killedAt(step, machine)
    const left = (await driver.list()).filter((each) => each.machine === machine)
    expect(left, step).not.toEqual([])
    await driver.destroy(machine)
    expect(await traces(), step).toEqual([])
  }
})

test('an agent killed after any step of a template’s building leaves no half template to clone from, and nothing else', {
  timeout: 600_000,
}, async () => {
  for (const step of TEMPLATE_STEPS) {
    await host.killedBuildingAt(step)
    const whole = step === 'published' ? 1 : 0
    await expect.poll(() => driver.templates(), { timeout: 30_000 }).toHaveLength(whole)
    for (const resource of await driver.list()) await driver.remove(resource)
    expect(await traces(), step).toEqual([])
  }
})

test('golden images are the same after twenty machines', async () => {
  const digest = async (): Promise<string> =>
    createHash('sha256')
      .update(await readFile(host.disk))
      .digest('hex')
  const before = await digest()
  for (let round = 0; round < 5; round++) {
    const machines = await Promise.all([clone(), clone(), clone(), clone()])
    await Promise.all(machines.map((machine) => driver.destroy(machine)))
  }
  expect(await digest()).toBe(before)
  expect(await traces()).toEqual([])
})
