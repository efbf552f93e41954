/**
 * `slipway run` in real machines of the tiny image, from the sources, each test with a Slipway of its own. Whatever is
 * killed whenever, afterwards there is no process, and an audit finds nothing.
 */
import { spawn } from 'node:child_process'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { tinyImage } from '../conformance/tiny-image.ts'
import {
  call,
  eventually,
  layOut,
  type Paths,
  pidsOf,
  processesOf,
  program,
  qemuOf,
  remove,
  type Started,
  start,
} from '../up/instance.ts'

const root = process.getuid?.() === 0
/** A boot under emulation on a busy machine. */
const BOOT_MS = 170_000
/** Promised for orphans. */
const GONE_MS = 60_000

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 })

const laidOut: Paths[] = []
const started: Started[] = []

function own(): Paths {
  const paths = layOut({ driver: 'libvirt', images: tinyImage().dir })
  laidOut.push(paths)
  return paths
}

function begin(paths: Paths, ...args: readonly string[]): Started {
  const one = start(paths, args)
  started.push(one)
  return one
}

afterEach(async () => {
  for (const { child, ended } of started.splice(0)) {
    child.kill('SIGTERM')
    await ended
  }
  for (const paths of laidOut.splice(0)) {
    await eventually('all processes end', GONE_MS, () => processesOf(paths).length === 0)
    remove(paths)
  }
})

async function expectNothingLeft(paths: Paths): Promise<void> {
  await eventually('no process is left', GONE_MS, () => processesOf(paths).length === 0).catch(
    () => undefined,
  )
  expect(processesOf(paths)).toEqual([])
  expect(await call(paths, 'audit')).toMatchObject({ code: 0 })
}

/** Resolves once `text` was printed to stderr. */
const said = (one: Started, text: string): Promise<boolean> =>
  eventually(`it says "${text}"`, BOOT_MS, () => one.stderr().includes(text))

describe.skipIf(!root)('an image from outside', () => {
  test('is imported, and a command runs in a machine of it', async () => {
    const paths = layOut({
      driver: 'libvirt',
      coordinatorToml:
        '[[flavor]]\nname = "brought"\nimage = "brought"\nmemory_mib = 256\nallow_emulation = true\n',
    })
    laidOut.push(paths)
    const { disk, manifest } = tinyImage()
    const taken = await call(paths, 'image', 'import', disk, '--name', 'brought', '--digest', manifest.digest)
    expect(taken).toMatchObject({ code: 0, stdout: `${manifest.digest}\n` })
    expect(await call(paths, 'run', 'brought', '--', 'sh', '-c', 'echo in it; exit 7')).toMatchObject({
      code: 7,
      stdout: 'in it\n',
    })
    await expectNothingLeft(paths)
  })
})

describe.skipIf(!root)('alone', () => {
  test('it streams all three ways, passes the exit code on, and leaves nothing', async () => {
    const paths = own()
    const run = begin(paths, 'run', 'tiny', '--', 'sh', '-c', 'cat; echo out; echo err >&2; exit 7')
    run.child.stdin?.end('in\n')
    expect(await run.ended).toEqual({ code: 7, signal: null })
    expect(run.stdout()).toBe('in\nout\n')
    expect(run.stderr()).toMatch(/^err$/m)
    expect(run.stderr()).toMatch(/^\[ +\d+\.\d{3}s\] machine m-\w+ is ready on host \w+$/m)
    await expectNothingLeft(paths)
  })

  test.each([
    ['while Slipway starts', 'so Slipway is started'],
    ['while its machine is made', 'asks for a tiny machine'],
    ['while its command runs', 'is ready on host'],
  ])('killed %s, it leaves nothing', async (_, moment) => {
    const paths = own()
    const run = begin(paths, 'run', 'tiny', '--', 'sleep', '600')
    await said(run, moment)
    run.child.kill('SIGKILL')
    await run.ended
    await expectNothingLeft(paths)
  })

  test('interrupted, it ends with 130 and leaves nothing', async () => {
    const paths = own()
    const run = begin(paths, 'run', 'tiny', '--', 'sleep', '600')
    await said(run, 'is ready on host')
    run.child.kill('SIGINT')
    expect(await run.ended).toEqual({ code: 130, signal: null })
    await expectNothingLeft(paths)
  })

  test('its parent gone, it ends its lease', async () => {
    const paths = own()
    const line = [process.execPath, program, '--config', paths.config, 'run', 'tiny', '--', 'sleep', '600']
    const parent = spawn('sh', ['-c', '"$@" & wait', 'sh', ...line], { stdio: 'ignore' })
    await eventually('its machine runs', BOOT_MS, () => qemuOf(paths))
    parent.kill('SIGKILL')
    await expectNothingLeft(paths)
  })
})

describe.skipIf(!root)('against a running Slipway', () => {
  let paths: Paths
  let up: Started
  beforeAll(async () => {
    paths = layOut({ driver: 'libvirt', images: tinyImage().dir })
    up = start(paths, ['up'])
    expect(await up.firstLine).toMatch(/^ready/)
  })
  afterAll(async () => {
    up.child.kill('SIGTERM')
    await up.ended
    await eventually('all processes end', GONE_MS, () => processesOf(paths).length === 0)
    remove(paths)
  })
  /** A command that runs, and ends well once told to. */
  async function running() {
    const run = begin(paths, 'run', 'tiny', '--', 'sh', '-c', 'read line; exit 4')
    await said(run, 'is ready on host')
    return run
  }
  const pidOf = (name: string): number => pidsOf('--config', paths.config, name)[0] ?? Number.NaN
  const machinesAre = (count: number): Promise<true> =>
    eventually(`${count} machines are listed`, GONE_MS, async () => {
      const { stdout } = await call(paths, 'ls', '--quiet')
      return stdout.split('\n').length - 1 === count || undefined
    })

  test('a running command outlives the death of agent and coordinator', async () => {
    const run = await running()
    const killed = ['agent', 'coordinator'].map((name) => pidOf(name))
    for (const pid of killed) process.kill(pid, 'SIGKILL')
    await eventually('both run again', GONE_MS, () => {
      const pids = ['agent', 'coordinator'].map((name) => pidOf(name))
      return pids.every((pid, at) => !Number.isNaN(pid) && pid !== killed[at])
    })
    await machinesAre(1)
    run.child.stdin?.end('go\n')
    expect(await run.ended).toEqual({ code: 4, signal: null })
    await machinesAre(0)
    expect(await call(paths, 'audit')).toMatchObject({ code: 0 })
  })

  test('the death of its QEMU is our failure and not the command’s', async () => {
    const run = await running()
    const [, machine] = /machine (m-\w+) is ready/.exec(run.stderr()) ?? []
    const qemu = await eventually('its QEMU is found', 5_000, () => qemuOf(paths, machine))
    process.kill(qemu, 'SIGKILL')
    expect(await run.ended).toEqual({ code: 125, signal: null })
    expect(run.stderr()).toMatch(/\(machine_lost\)|\(ssh_failed\)/)
    await machinesAre(0)
  })

  test('exec, ssh, logs, inspect, explain and rm work on a living machine', async () => {
    const run = await running()
    const { stdout: names } = await call(paths, 'ls', '--quiet')
    const short = names.trim().slice(0, 16)
    expect(
      await call(paths, 'exec', short, '--', 'sh', '-c', 'echo "$0 $1"; exit 5', "it's", '$HOME'),
    ).toMatchObject({
      code: 5,
      stdout: "it's $HOME\n",
    })
    expect(await call(paths, 'ssh', short, '--', 'echo', 'a  b')).toMatchObject({ code: 0, stdout: 'a  b\n' })
    expect((await call(paths, 'logs', short)).code).toBe(0)
    expect(JSON.parse((await call(paths, 'inspect', short)).stdout)).toMatchObject({
      kind: 'machine',
      state: 'leased',
    })
    const [, lease = ''] = /lease (run-\w+) asks/.exec(run.stderr()) ?? []
    expect((await call(paths, 'explain', lease)).stdout).toContain(names.trim())
    expect(await call(paths, 'rm', short)).toMatchObject({ code: 0 })
    expect(await run.ended).toEqual({ code: 125, signal: null })
    expect(run.stderr()).toContain('(machine_removed)')
    await machinesAre(0)
  })
})
