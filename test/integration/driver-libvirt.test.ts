/** What the libvirt driver refuses, bears from a hostile guest, and takes over; beyond what every driver promises. */
import { execFile } from 'node:child_process'
import { chmod, copyFile, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { CloneRequest } from '../../src/agent/drivers/driver.ts'
import type { LibvirtDriver } from '../../src/agent/drivers/libvirt/index.ts'
import type { MachineId } from '../../src/model/index.ts'
import { type LibvirtHost, libvirtHost } from '../conformance/libvirt-host.ts'

const execute = promisify(execFile)
const never = new AbortController().signal
const LOG_MS_MAX = 10_000
const BOOT = { signal: never, deadlineMs: 90_000 }

let host: LibvirtHost
let driver: LibvirtDriver
beforeAll(async () => {
  host = await libvirtHost()
  driver = await host.open()
  await driver.prepare({ signal: never })
})
afterAll(() => host.close())

const request = (changes: Partial<CloneRequest> = {}): CloneRequest => ({
  machine: host.machine(),
  spec: host.spec,
  image: host.image,
  disk: host.disk,
  step: () => {},
  signal: never,
  ...changes,
})
const left = async (): Promise<readonly string[]> =>
  (await driver.list()).filter(({ kept }) => !kept).map(({ kind, name }) => `${kind} ${name}`)

describe('a clone is refused, and nothing is left of it,', () => {
  const refused = async (changes: Partial<CloneRequest>, code: string): Promise<void> => {
    await expect(driver.clone(request(changes))).rejects.toMatchObject({ code })
    expect(await left()).toEqual([])
  }
  test('if the disk has no room for the whole overlay', () =>
    refused({ spec: { ...host.spec, diskGiB: 1_000_000 } }, 'disk_full'))
  test('if the host has no memory for it', () =>
    refused({ spec: { ...host.spec, memoryMiB: 1_000_000 } }, 'memory_short'))
  test('if its disk would be smaller than its image', () =>
    refused({ image: { ...host.image, virtualBytes: 2 ** 40 } }, 'bad_config'))
  test('if its image is not there', () => refused({ disk: '/nowhere/disk.qcow2' }, 'host_setup'))
  test('if its image is somebody’s to write', async () => {
    const disk = join(host.settings.stateDir, 'writable.qcow2')
    await copyFile(host.disk, disk)
    await chmod(disk, 0o644)
    await refused({ disk }, 'host_setup')
  })
  test.each(['10.0.0.5', '10.0.0.5:443; flush ruleset', "'/><disk/>:1", '--help:22'])(
    'if its allow-list says %j',
    (entry) => refused({ spec: { ...host.spec, network: { allow: [entry] } } }, 'bad_config'),
  )
  test('if its flavor wants hardware that the host has not', () =>
    refused({ spec: { ...host.spec, allowEmulation: false } }, 'create_failed'))
})

test('a host out of slots says so, and has them again once a machine has gone', async () => {
  const small = await libvirtHost({ uidCount: 2, stock: 1 })
  onTestFinished(() => small.close())
  const other = await small.open()
  await other.prepare({ signal: never })
  const machine = small.machine()
  const ask = (id: MachineId) => other.clone({ ...request(), machine: id, disk: small.disk })
  await ask(machine)
  await expect(ask(small.machine())).rejects.toMatchObject({ code: 'too_busy' })
  await other.destroy(machine)
  await ask(machine)
})

test('a machine asked for twice at once is made once', async () => {
  const machine = host.machine()
  const both = await Promise.allSettled([
    driver.clone(request({ machine })),
    driver.clone(request({ machine })),
  ])
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  expect([...(await driver.running())]).toEqual([machine])
  await driver.destroy(machine)
})

test('a machine destroyed in the making is gone, and its clone ends with that', async () => {
  const machine = host.machine()
  const clone = driver.clone(
    request({ machine, step: (step) => void (step === 'overlay' && driver.destroy(machine)) }),
  )
  await expect(clone).rejects.toMatchObject({ code: 'cancelled' })
  await driver.destroy(machine)
  expect(await left()).toEqual([])
})

describe('a guest', () => {
  let machine: MachineId
  beforeAll(async () => {
    machine = host.machine()
    await driver.clone(request({ machine }))
    await driver.guest(machine).sync(BOOT)
  })
  afterAll(() => driver.destroy(machine))
  const inGuest = (script: string) =>
    driver.guest(machine).exec('/bin/sh', ['-c', script], { stdin: 'in\n', ...BOOT })

  test('runs what it is told, with input, output and exit code apart', async () => {
    const reply = await inGuest('read x; echo "$x"; echo err >&2; exit 7')
    expect(reply).toEqual({ exitCode: 7, stdout: 'in\n', stderr: 'err\n' })
  })
  test('may not answer with more than a mebibyte', async () => {
    const much = inGuest('head -c 2000000 /dev/zero')
    await expect(much).rejects.toMatchObject({ code: 'guest_misbehaved' })
  })
  test('is refused a program it has not', async () => {
    const missing = driver.guest(machine).exec('/no/such/program', [], { stdin: '', ...BOOT })
    await expect(missing).rejects.toMatchObject({ code: 'guest_misbehaved' })
  })
  test('is called silent when its program does not end', async () => {
    const endless = driver
      .guest(machine)
      .exec('/bin/sleep', ['60'], { stdin: '', signal: never, deadlineMs: 1_000 })
    await expect(endless).rejects.toMatchObject({ code: 'guest_silent' })
  })

  test('speaks over its live console, both ways, and the next reader takes it over', async () => {
    await inGuest(
      '(while read -r line; do echo "you said $line"; done <>/dev/ttyS0 >/dev/ttyS0) >/dev/null 2>&1 &',
    )
    const reader = new AbortController()
    const first = await driver.attachConsole(machine, { signal: reader.signal })
    const second = await driver.attachConsole(machine, { signal: reader.signal })
    second.write(Buffer.from('hello\n'))
    let seen = ''
    for await (const bytes of second.output) {
      seen += Buffer.from(bytes).toString()
      if (seen.includes('you said hello')) break
    }
    reader.abort()
    for await (const _ of first.output);
    // virtlogd writes when it gets to it.
    await vi.waitFor(async () => {
      expect(await driver.console(machine, { lines: 5 })).toContain('you said hello')
    }, LOG_MS_MAX)
  })

  test('may fill its console without end, and its log stays bounded', async () => {
    await inGuest(
      '(head -c 7000000 /dev/zero | tr "\\0" x >/dev/ttyS0; echo done >/tmp/flooded) >/dev/null 2>&1 &',
    )
    const dir = join(host.settings.stateDir, 'machines', `slw.${host.settings.host}.${machine}`)
    const size = async (): Promise<number> => {
      const logs = (await readdir(dir)).filter((name) => name.startsWith('console.log'))
      return (await Promise.all(logs.map((name) => stat(join(dir, name))))).reduce(
        (sum, { size }) => sum + size,
        0,
      )
    }
    let largest = 0
    for (let round = 0; round < 60; round++) {
      largest = Math.max(largest, await size())
      if ((await inGuest('cat /tmp/flooded 2>/dev/null')).stdout !== '') break
      await delay(1_000)
    }
    expect(largest).toBeGreaterThan(2 * 1024 * 1024)
    expect(largest).toBeLessThan(5 * 1024 * 1024)
  }, 240_000)

  test.each([
    ['floods its agent’s channel', 'cat /dev/zero >$port'],
    ['floods it with JSON', `yes '{"return": {}}' >$port`],
    ['answers with what it was not asked', `while :; do echo '{"return": 42}'; sleep 0.1; done >$port`],
    ['says nothing', 'sleep 1000 <$port'],
  ])(
    'that %s is called silent in time, costs libvirtd no memory, and the others do not notice',
    async (_, script) => {
      const hostile = host.machine()
      await driver.clone(request({ machine: hostile }))
      await driver.guest(hostile).sync(BOOT)
      const start = `port=/dev/virtio-ports/org.qemu.guest_agent.0; (sleep 1; killall qemu-ga; sleep 1; ${script}) >/dev/null 2>&1 &`
      await driver.guest(hostile).exec('/bin/sh', ['-c', start], { stdin: '', ...BOOT })
      // The honest agent answers until it is killed, which takes a busy guest its time.
      await expect
        .poll(() => codeOf(driver.guest(hostile).sync({ signal: never, deadlineMs: 5_000 })), {
          timeout: 90_000,
        })
        .toBe('guest_silent')
      const before = await libvirtdMiB()
      const silent = driver.guest(hostile).sync({ signal: never, deadlineMs: 8_000 })
      await expect(silent).rejects.toMatchObject({ code: 'guest_silent' })
      await expect(
        driver.guest(hostile).exec('/bin/true', [], { stdin: '', signal: never, deadlineMs: 5_000 }),
      ).rejects.toMatchObject({ code: expect.stringMatching(/^guest_/) })
      expect((await libvirtdMiB()) - before).toBeLessThan(32)
      await driver.guest(machine).sync(BOOT)
      await driver.destroy(hostile)
    },
    300_000,
  )
})

const codeOf = (task: Promise<unknown>): Promise<unknown> => task.catch((error) => error.code)

async function libvirtdMiB(): Promise<number> {
  const pid = (await readFile(join(host.settings.runDir, 'libvirtd/run/libvirtd.pid'), 'utf8')).trim()
  const { stdout } = await execute('ps', ['-o', 'rss=', '-p', pid])
  return Number(stdout) / 1024
}
