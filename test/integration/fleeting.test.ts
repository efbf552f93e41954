/** The plugin under GitLab's own library, in front of a real coordinator and agent whose machines are simulated. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/api/index.ts'
import { PluginClient, plugin } from '../fleeting/plugin-client.ts'
import { fleetingPrograms } from '../fleeting/programs.ts'
import { tokenOf } from '../fleeting/token.ts'
import { call, eventually, layOut, type Paths, pidsOf, remove, type Started, start } from '../up/instance.ts'

const programs = await fleetingPrograms()
/** For a plugin to notice that its runner is dead. */
const ORPHAN_MS = 5_000
const root = process.getuid?.() === 0
if ('missing' in programs) console.warn(`SKIPPED: no fleeting client: ${programs.missing}`)
const clientProgram = 'client' in programs ? programs.client : ''

describe.skipIf('missing' in programs || !root)('the fleeting plugin', { timeout: 120_000 }, () => {
  let paths: Paths
  let slipway: Started
  let sockets: string
  const open: PluginClient[] = []

  beforeAll(async () => {
    paths = layOut({ driver: 'simulated' })
    sockets = join(paths.folder, 'sockets')
    mkdirSync(sockets)
    slipway = start(paths, ['up'])
    expect(await slipway.firstLine, slipway.stderr()).toMatch(/^ready/)
    for (const runner of ['one', 'two']) await tokenOf(paths, runner)
  })

  afterAll(async () => {
    slipway?.child.kill('SIGTERM')
    await slipway?.ended
    remove(paths)
  })

  afterEach(async () => {
    const clients = open.splice(0)
    for (const client of clients) await client[Symbol.asyncDispose]()
    for (const { pid } of clients)
      await eventually(
        'the plugin is gone',
        ORPHAN_MS,
        () => Number.isNaN(pid) || !existsSync(`/proc/${pid}`),
      )
    expect(readdirSync(sockets)).toEqual([])
    const admin = connect(paths.socket)
    for (const { name } of (await admin.call('leaseList', {})).leases)
      await admin.call('leaseRelease', { params: { lease: name } })
  })

  const configOf = (more: Readonly<Record<string, unknown>> = {}, runner = 'one') => ({
    flavor: 'tiny',
    socket: join(paths.run, 'lease.sock'),
    token_file: join(paths.config, `${runner}.token`),
    ...more,
  })

  function client(config: unknown = configOf(), env: Readonly<Record<string, string>> = {}): PluginClient {
    const made = new PluginClient({ client: clientProgram, config, env: { TMPDIR: sockets, ...env } })
    open.push(made)
    return made
  }

  test('answers all calls of a life: machines come, are reached, and go', async () => {
    const runner = client()
    expect(await runner.init()).toEqual({ ID: 'slipway/tiny', MaxSize: 10, Version: '0.1.0', BuildInfo: '' })
    expect(await runner.update()).toEqual([])
    expect(await runner.increase(2)).toBe(2)
    const list = await runner.update()
    expect(list).toHaveLength(2)
    const [first = '', second = ''] = await runner.running(2)
    const info = await runner.connectInfo(first)
    expect(info).toMatchObject({ id: first, os: 'linux', arch: 'amd64', protocol: 'ssh' })
    expect(info.external_addr).toBe(info.internal_addr)
    expect(Buffer.from(info.key, 'base64').toString()).toContain('OPENSSH PRIVATE KEY')
    expect(Date.parse(info.expires)).toBeGreaterThan(Date.now())
    expect(await runner.decrease(first, second, 'nobody-knows-this')).toEqual([first, second])
    expect(await runner.update()).toEqual([])
    expect(await runner.tell({ do: 'shutdown' })).toEqual({})
  })

  test('speaks TLS with the certificates of both ends when a client wants it', () => {
    const { status, stderr } = spawnSync(clientProgram, ['mtls', plugin], { encoding: 'utf8' })
    expect(status, stderr).toBe(0)
    expect(stderr).toContain('configuring client automatic mTLS')
  })

  test('is found again by a runner that was killed: its machines are there, and stay', async () => {
    const killed = client()
    await killed.init()
    await killed.increase(2)
    const before = [...(await killed.running(2))].sort()
    await killed.kill()
    await eventually('the orphaned plugin ends', ORPHAN_MS, () => !existsSync(`/proc/${killed.pid}`))
    const next = client()
    await next.init()
    expect([...(await next.running(2))].sort()).toEqual(before)
  })

  test('a second one of the same name is refused while the first lives, and not a moment longer', async () => {
    const first = client()
    await first.init()
    const second = client()
    const { error } = await second.tell({ do: 'init' })
    expect(error).toContain('group_held: group "tiny" is already managed by another plugin that lives')
    expect(error).toContain('plugin_config.name')
    await first.kill()
    await second.init()
  })

  test('of two owners with the same name neither sees, counts or removes what the other has', async () => {
    const one = client(configOf())
    const two = client(configOf({}, 'two'))
    await one.init()
    await two.init()
    await one.increase(2)
    await two.increase(1)
    const ofOne = await one.running(2)
    const [ofTwo = ''] = await two.running(1)
    expect(ofOne).not.toContain(ofTwo)
    await expect(two.decrease(...ofOne)).rejects.toThrow('forbidden: lease')
    expect(await one.running(2)).toEqual(ofOne)
    expect((await two.tell({ do: 'connectInfo', instance: ofOne[0] })).error).toContain('forbidden')
  })

  test('two groups of one owner are apart as well', async () => {
    const one = client(configOf({ name: 'one' }))
    const two = client(configOf({ name: 'two' }))
    await one.init()
    await two.init()
    await one.increase(1)
    const [mine = ''] = await one.running(1)
    expect(await two.update()).toEqual([])
    expect(await two.decrease(mine)).toBeNull()
    expect((await two.tell({ do: 'heartbeat', instance: mine })).error).toContain('not_found')
    expect(await one.running(1)).toEqual([mine])
  })

  test('a runner that stops leaves the machines it may use again, and none that it has not got yet', async () => {
    const runner = client()
    await runner.init()
    await runner.increase(1)
    const [used = ''] = await runner.running(1)
    await runner.increase(2)
    expect(await runner.tell({ do: 'shutdown' })).toEqual({})
    await runner[Symbol.asyncDispose]()
    const next = client()
    await next.init()
    expect(await next.update()).toEqual([{ instance: used, state: 'running' }])
  })

  test('a coordinator that is killed is waited for, and every machine is still there', async () => {
    const runner = client()
    await runner.init()
    await runner.increase(2)
    const before = await runner.running(2)
    process.kill(pidsOf('--config', paths.config, 'coordinator')[0] ?? 0, 'SIGKILL')
    expect(await runner.update()).toHaveLength(2)
    expect((await runner.connectInfo(before[0] ?? '')).username).toBe('root')
    expect(await runner.running(2)).toEqual(before)
    const second = client()
    expect((await second.tell({ do: 'init' })).error).toContain('group_held')
  })

  test('a machine that is lost is told as deleted, with the reason in the log', async () => {
    const runner = client()
    await runner.init()
    await runner.increase(1)
    const [instance = ''] = await runner.running(1)
    const { machines } = JSON.parse((await call(paths, 'ls', '--json')).stdout)
    await call(paths, 'rm', machines[0].machine)
    expect((await runner.tell({ do: 'heartbeat', instance })).error).toContain('machine_removed')
    expect(await runner.update()).toEqual([{ instance, state: 'deleted' }])
    expect(runner.log).toContain('machine_removed')
  })
})
