/** The coordinator as a process: killed, started twice, stopped, and asked by a thousand at once. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect } from '../../src/api/index.ts'
import { startServed } from '../coordinator/served.ts'
import { anyFacts, anyFlavor, flavorName, leaseName } from '../coordinator/world.ts'
import { promisedMs } from '../up/patience.ts'

let dir: string
const running: ChildProcess[] = []

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'coordinator-test-'))
  configure(`[[flavor]]\nname = "tiny"\nimage = "tiny"\n`)
})
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  rmSync(dir, { recursive: true })
})

const state = () => join(dir, 'state')
const configure = (flavors: string): void =>
  writeFileSync(join(dir, 'coordinator.toml'), `state = "${dir}/state"\nrun = "${dir}/run"\n${flavors}`)

interface Started {
  readonly child: ChildProcess
  /** Its first line on stdout: `ready`, or the code and the words it failed with. */
  readonly said: string
  readonly tookMs: number
}

async function start(): Promise<Started> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [join(import.meta.dirname, '../coordinator/process.ts'), dir], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  running.push(child)
  if (!child.stdout) throw new Error('bug: a child without stdout')
  for await (const said of createInterface({ input: child.stdout })) {
    return { child, said, tookMs: performance.now() - startedAt }
  }
  throw new Error('the coordinator ended without a word')
}

const admin = () => connect(join(dir, 'run/admin.sock'))
const ask = (name: string) =>
  admin().call('leaseAsk', { body: { name: leaseName(name), flavor: flavorName('tiny'), ttlMs: 60_000 } })

describe('a coordinator', () => {
  test('killed at once is back within two seconds, with its leases and a new epoch', async () => {
    const first = await start()
    const { id } = await ask('job-1')
    const { epoch, database } = await admin().call('health', {})
    first.child.kill('SIGKILL')
    await once(first.child, 'close')
    const second = await start()
    expect(second.said).toBe('ready')
    expect(second.tookMs).toBeLessThan(promisedMs(2_000))
    expect(await admin().call('health', {})).toMatchObject({ epoch: epoch + 1, database })
    expect(await admin().call('leaseGet', { params: { lease: leaseName('job-1') } })).toMatchObject({ id })
  })

  test("is alone on its database: a second one is refused by the first one's pid", async () => {
    const { child } = await start()
    expect((await start()).said).toBe(
      `coordinator_running: another coordinator (pid ${child.pid}) already uses ${state()}`,
    )
    expect(await admin().call('health', {})).toMatchObject({ epoch: 1 })
  })

  test("takes no other coordinator's sockets away", async () => {
    await start()
    writeFileSync(join(dir, 'coordinator.toml'), `state = "${dir}/other"\nrun = "${dir}/run"\n`)
    expect((await start()).said).toMatch(/^coordinator_running: /)
    expect(await admin().call('health', {})).toMatchObject({ epoch: 1 })
  })

  test('told to stop takes its sockets with it and keeps its leases', async () => {
    const { child } = await start()
    const { id } = await ask('job-1')
    child.kill('SIGTERM')
    await once(child, 'close')
    expect(['admin', 'lease', 'agent'].map((name) => existsSync(join(dir, `run/${name}.sock`)))).toEqual([
      false,
      false,
      false,
    ])
    await start()
    expect(await ask('job-1')).toMatchObject({ id })
  })

  test('is in the way of nobody who may use its sockets, and of all others', async () => {
    await start()
    const modes = ['', '/admin.sock', '/lease.sock', '/agent.sock'].map((name) =>
      mode(join(dir, `run${name}`)),
    )
    expect(modes).toEqual(['755', '660', '660', '600'])
    expect(mode(join(state(), 'coordinator.db'))).toBe('600')
    expect(mode(state())).toBe('700')
  })

  test.each([
    [
      'a key it does not know',
      `[[flavor]]\nname = "tiny"\nimage = "tiny"\nmemory = 1\n`,
      /coordinator\.toml is refused: line 6, flavor\[0\]\.memory: unknown key/,
    ],
    [
      'a value that cannot be',
      `[[flavor]]\nname = "tiny"\nimage = "tiny"\nvcpus = 0\n`,
      /line 6, flavor\[0\]\.vcpus/,
    ],
    ['no TOML', `[[flavor]\n`, /line 3, column/],
  ])('with %s in its configuration says so', async (_, flavors, says) => {
    configure(flavors)
    const { said } = await start()
    expect(said).toMatch(/^bad_config: /)
    expect(said).toMatch(says)
  })

  test('of an older version refuses a newer database, one that is broken, and one it may not open', async () => {
    mkdirSync(state())
    const db = new DatabaseSync(join(state(), 'coordinator.db'))
    db.exec('PRAGMA user_version = 99')
    db.close()
    expect((await start()).said).toMatch(/^database_newer: .*has schema 99/)
    writeFileSync(join(state(), 'coordinator.db'), 'x'.repeat(8_192))
    expect((await start()).said).toMatch(/^database_failed: /)
  })
})

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

test('a thousand leases are waited for at once, and each is granted one machine', async () => {
  const served = await startServed([anyFlavor({ limit: 2_000, memoryMiB: 64 })])
  const { host } = await served.host(
    anyFacts({ capacity: { vcpus: 4_000, memoryMiB: 1_000_000, diskMiB: 10_000_000 } }),
  )
  const { admin } = served
  const names = Array.from({ length: 1_000 }, (_, n) => `job-${n}`)
  await Promise.all(
    names.map((name) =>
      admin.call('leaseAsk', { body: { name: leaseName(name), flavor: flavorName('tiny'), ttlMs: 60_000 } }),
    ),
  )
  const waits = names.map((name) =>
    admin.call('leaseGet', {
      params: { lease: leaseName(name) },
      query: { waitMs: 60_000, state: 'waiting' },
    }),
  )
  await until(() => host.named.length === 1_000)
  for (const machine of host.named) host.ready(machine)
  const views = await Promise.all(waits)
  expect(new Set(views.map(({ machine }) => machine)).size).toBe(1_000)
  expect(await admin.call('health', {})).toMatchObject({
    leases: { waiting: 0, granted: 1_000 },
    machines: 1_000,
  })
  expect(served.bugs).toEqual([])
  await served.close()
})

/** Yields to the event loop until it is so. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}
