/** What the plugin does with who is no runner, with a wrong configuration, and with a runner that vanishes. */
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { connect as dial } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/api/index.ts'
import { goPlugin, instanceGroup } from '../../src/fronts/fleeting/wire/services.ts'
import { COOKIE, RawPlugin } from '../fleeting/raw-plugin.ts'
import { tokenOf } from '../fleeting/token.ts'
import { eventually, layOut, type Paths, remove, type Started, start } from '../up/instance.ts'

const root = process.getuid?.() === 0
/** gRPC's own numbers. */
const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14
/** For a plugin without a runner to end, on a busy machine. */
const LONELY_MS = 15_000

describe.skipIf(!root)('a fleeting plugin', { timeout: 120_000 }, () => {
  let paths: Paths
  let slipway: Started
  let sockets: string
  const open: RawPlugin[] = []

  beforeAll(async () => {
    paths = layOut({ driver: 'simulated' })
    sockets = join(paths.folder, 'sockets')
    mkdirSync(sockets)
    slipway = start(paths, ['up'])
    expect(await slipway.firstLine, slipway.stderr()).toMatch(/^ready/)
    await tokenOf(paths, 'gitlab')
  })
  afterAll(async () => {
    slipway?.child.kill('SIGTERM')
    await slipway?.ended
    remove(paths)
  })
  afterEach(async () => {
    const plugins = open.splice(0)
    for (const plugin of plugins) {
      await plugin[Symbol.asyncDispose]()
      expect(existsSync(`/proc/${plugin.pid}`)).toBe(false)
      expect(plugin.stdout).toBe((await plugin.line) === undefined ? '' : `${await plugin.line}\n`)
    }
    expect(readdirSync(sockets)).toEqual([])
    const admin = connect(paths.socket)
    for (const { name } of (await admin.call('leaseList', {})).leases)
      await admin.call('leaseRelease', { params: { lease: name } })
  })

  const environment = () => ({ ...COOKIE, PATH: process.env.PATH ?? '', TMPDIR: sockets })
  function run(
    env: Readonly<Record<string, string>> = environment(),
    args: readonly string[] = [],
  ): RawPlugin {
    const plugin = new RawPlugin(env, args)
    open.push(plugin)
    return plugin
  }
  const configOf = (more: Readonly<Record<string, unknown>> = {}) => ({
    flavor: 'tiny',
    socket: join(paths.run, 'lease.sock'),
    token_file: join(paths.config, 'gitlab.token'),
    ttl_s: 10,
    ...more,
  })
  const initBytes = (config: string | object, connectorConfig: object = {}) =>
    instanceGroup.init.requestSerialize({
      config: Buffer.from(typeof config === 'string' ? config : JSON.stringify(config)),
      settings: {
        connectorConfig: {
          os: '',
          arch: '',
          protocol: '',
          username: '',
          password: '',
          key: Buffer.alloc(0),
          useStaticCredentials: false,
          keepalive: 0n,
          timeout: 0n,
          protocolPort: 0n,
          ...connectorConfig,
        },
      },
    })

  test.each([
    ['without the cookie', {}, 'plugin_call'],
    ['with a wrong cookie', { FLEETING_INSTANCE_GROUP_PLUGIN: 'x' }, 'plugin_call'],
    ['by a runner of another protocol', { ...COOKIE, PLUGIN_PROTOCOL_VERSIONS: '1,2' }, 'plugin_call'],
    [
      'with a certificate that is none',
      { ...COOKIE, PLUGIN_CLIENT_CERT: '-----BEGIN CERTIFICATE-----' },
      'plugin_call',
    ],
    ['without a folder for its socket', { ...COOKIE, TMPDIR: '/nonexistent' }, 'host_setup'],
    [
      'with a socket folder that is no folder',
      { ...COOKIE, PLUGIN_UNIX_SOCKET_DIR: '/etc/passwd' },
      'host_setup',
    ],
  ])('started %s ends with a code', async (_, env, code) => {
    const plugin = run({ ...env })
    expect(await plugin.ended).toBe(1)
    expect(plugin.stderr).toContain(code)
    expect(plugin.stderr).toMatch(/next/)
  })

  test('with an unknown verb says which it knows', async () => {
    const plugin = run(environment(), ['destroy'])
    expect(await plugin.ended).toBe(2)
    expect(plugin.stderr).toContain('serve, version and bootstrap')
  })

  test('with no environment but the cookie serves', async () => {
    const plugin = run({ ...COOKIE })
    expect(await plugin.socket()).toMatch(/^\/tmp\/slipway-fleeting\./)
    const told = await RawPlugin.call(await plugin.client(), goPlugin.health, Buffer.alloc(0))
    expect(told).toEqual({ value: { status: 'SERVING' } })
  })

  test('has its socket where only its user gets to it', async () => {
    const plugin = run()
    const folder = join(await plugin.socket(), '..')
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  })

  test('whose output nobody reads any more ends', async () => {
    const plugin = run()
    plugin.child.stdout?.destroy()
    const end = await Promise.race([plugin.ended, plugin.line.then(() => plugin.ended)])
    expect(end).not.toBe(0)
  })

  test.each([
    ['no flavor', {}, /^bad_config: .*flavor: is missing/],
    ['an unknown key', { flavor: 'tiny', flavour: 'x' }, /^bad_config: .*Unrecognized key: "flavour"/],
    ['no JSON', '{', /^bad_config: .*it is no JSON/],
    ['70 kB', `{"flavor":"${'x'.repeat(70_000)}"}`, /^too_large: plugin_config/],
    ['a deep value', `{"flavor":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, /^bad_config: /],
  ])('with a plugin_config of %s refuses Init and may be asked again', async (_, config, says) => {
    const plugin = run()
    const client = await plugin.client()
    const told = await RawPlugin.call(client, instanceGroup.init, initBytes(config))
    expect(told).toMatchObject({ code: FAILED_PRECONDITION, details: expect.stringMatching(says) })
    expect(plugin.stderr).toMatch(/"@message":"Init failed"/)
    expect(await RawPlugin.call(client, instanceGroup.init, initBytes(configOf()))).toMatchObject({
      value: { id: 'slipway/tiny', maxSize: 10 },
    })
  })

  test.each([
    [
      'a flavor that is not there',
      () => ({ flavor: 'nope' }),
      {},
      'unknown_flavor: there is no flavor "nope"; next: known flavors: debian, debian-docker, tiny',
    ],
    ['a token file that is not there', () => ({ token_file: '/nonexistent' }), {}, 'slipway token create'],
    ['a token of nobody', () => ({ token_file: tokenFile('slw_nobody', 0o600) }), {}, 'unauthorized'],
    ['a token everybody may read', () => ({ token_file: tokenFile('slw_open', 0o644) }), {}, 'chmod 600'],
    ['winrm', () => ({}), { protocol: 'winrm' }, 'protocol: machines speak ssh only'],
    ['static credentials', () => ({}), { useStaticCredentials: true }, 'use_static_credentials'],
  ])('with %s refuses Init, and says what to do', async (_, config, connector, says) => {
    const plugin = run()
    const bytes = initBytes(configOf(config()), connector)
    const told = await RawPlugin.call(await plugin.client(), instanceGroup.init, bytes)
    expect(told).toMatchObject({ details: expect.stringContaining(says) })
    expect(`${JSON.stringify(told)}${plugin.stderr}`).not.toContain('slw_')
  })

  function tokenFile(token: string, mode: number): string {
    const file = join(paths.config, `${token.slice(4)}.token`)
    writeFileSync(file, token)
    chmodSync(file, mode)
    return file
  }

  test('where no coordinator is says so within half a minute', async () => {
    const plugin = run()
    const bytes = initBytes(configOf({ socket: '/nonexistent/lease.sock' }))
    const told = await RawPlugin.call(await plugin.client(), instanceGroup.init, bytes)
    expect(told).toMatchObject({
      code: UNAVAILABLE,
      details: expect.stringMatching(/^unreachable: nothing answers on/),
    })
  })

  test('refuses every call before Init, and stays', async () => {
    const plugin = run()
    const client = await plugin.client()
    for (const name of ['increase', 'decrease', 'connectInfo', 'heartbeat'] as const) {
      const told = await RawPlugin.call(client, instanceGroup[name], Buffer.alloc(0))
      expect(told).toMatchObject({
        code: FAILED_PRECONDITION,
        details: expect.stringContaining('has not called Init'),
      })
    }
    const list = await RawPlugin.call(client, instanceGroup.update, Buffer.alloc(0))
    expect(list).toMatchObject({ code: FAILED_PRECONDITION })
    expect(await RawPlugin.call(client, instanceGroup.shutdown, Buffer.alloc(0))).toEqual({ value: {} })
  })

  test('refuses messages that are none or too large, and methods it does not have, and stays', async () => {
    const plugin = run()
    const client = await plugin.client()
    for (const name of ['init', 'increase', 'decrease', 'connectInfo', 'heartbeat'] as const) {
      const told = await RawPlugin.call(client, instanceGroup[name], Buffer.from('0a', 'hex'))
      expect(told).toMatchObject({ code: INTERNAL })
    }
    const large = await RawPlugin.call(client, instanceGroup.init, initBytes('x'.repeat(2_000_000)))
    expect(large).toMatchObject({ code: RESOURCE_EXHAUSTED })
    const unknown = { ...instanceGroup.init, path: '/proto.InstanceGroup/Suspend' }
    expect(await RawPlugin.call(client, unknown, Buffer.alloc(0))).toMatchObject({ code: UNIMPLEMENTED })
    const health = await RawPlugin.call(client, goPlugin.health, Buffer.alloc(0))
    expect(health).toEqual({ value: { status: 'SERVING' } })
  })

  test('lets noise on its socket go, and stays', async () => {
    const plugin = run()
    const client = await plugin.client()
    for (const noise of [
      'GET / HTTP/1.1\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxx',
    ]) {
      const socket = dial(await plugin.socket())
      socket.on('error', () => undefined)
      socket.write(noise)
      await Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, 500))])
      socket.destroy()
    }
    const health = await RawPlugin.call(client, goPlugin.health, Buffer.alloc(0))
    expect(health).toEqual({ value: { status: 'SERVING' } })
  })

  test('that is stopped together with its runner goes on until that lets go', async () => {
    const plugin = run()
    const client = await plugin.client()
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTERM'] as const) {
      plugin.child.kill(signal)
      expect(await RawPlugin.call(client, goPlugin.health, Buffer.alloc(0))).toHaveProperty('value')
    }
    await RawPlugin.call(client, goPlugin.controller, Buffer.alloc(0))
    expect(await plugin.ended).toBe(0)
  })

  const vanishing = {
    init: initBytes,
    update: () => Buffer.alloc(0),
    increase: () => instanceGroup.increase.requestSerialize({ n: 3 }),
    decrease: () => instanceGroup.decrease.requestSerialize({ instances: ['a'] }),
    connectInfo: () => instanceGroup.connectInfo.requestSerialize({ instance: 'a' }),
    heartbeat: () => instanceGroup.heartbeat.requestSerialize({ instance: 'a' }),
    shutdown: () => Buffer.alloc(0),
  } as const

  test.each(Object.keys(vanishing) as (keyof typeof vanishing)[])(
    'whose runner vanishes at %s ends by itself, and its leases after it',
    async (name) => {
      const plugin = run()
      const client = await plugin.client()
      if (name !== 'init') {
        expect(await RawPlugin.call(client, instanceGroup.init, initBytes(configOf()))).toHaveProperty(
          'value',
        )
        const request = instanceGroup.increase.requestSerialize({ n: 1 })
        await RawPlugin.call(client, instanceGroup.increase, request)
      }
      const told = RawPlugin.call(client, instanceGroup[name], vanishing[name](configOf()))
      // The request is out, its answer not yet in.
      await new Promise((resolve) => setImmediate(resolve))
      plugin.vanish()
      const ended = await Promise.race([
        plugin.ended,
        new Promise((resolve) => setTimeout(resolve, LONELY_MS, 'late')),
      ])
      expect(ended, plugin.stderr).toBe(0)
      expect(plugin.stderr).not.toContain('"bug"')
      await told
      await eventually('no lease is left', 30_000, async () => {
        const { leases } = await connect(paths.socket).call('leaseList', {})
        return leases.length === 0
      })
    },
  )
})
