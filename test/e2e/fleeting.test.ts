/** The plugin with real machines of the tiny image, under GitLab's own library: it dials them as a runner does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tinyImage } from '../conformance/tiny-image.ts'
import { FarHost } from '../fleeting/far-host.ts'
import { PluginClient, plugin } from '../fleeting/plugin-client.ts'
import { fleetingPrograms } from '../fleeting/programs.ts'
import { tokenOf } from '../fleeting/token.ts'
import { call, eventually, layOut, type Paths, qemuOf, remove, type Started, start } from '../up/instance.ts'

const programs = await fleetingPrograms()
if ('missing' in programs) console.warn(`SKIPPED: no fleeting client: ${programs.missing}`)
const root = process.getuid?.() === 0
/** For a guest to boot under emulation; one that nobody waits for any more is finished, too, before it goes. */
const BOOT_MS = 180_000

describe.skipIf('missing' in programs || !root)('the plugin and real machines', { timeout: 400_000 }, () => {
  let paths: Paths
  let slipway: Started
  let config: object
  const { client, provisioning } = 'missing' in programs ? { client: '', provisioning: '' } : programs

  beforeAll(async () => {
    const { dir: images } = tinyImage()
    paths = layOut({ driver: 'libvirt', images })
    // A machine that is asked for and given back before it is there would stay for a minute, for the next one.
    const flavor =
      '[[flavor]]\nname = "small"\nimage = "tiny"\nvcpus = 1\nmemory_mib = 256\ndisk_gib = 4\nallow_emulation = true\nidle_time_s = 1\n'
    writeFileSync(join(paths.config, 'coordinator.toml'), flavor, { flag: 'a' })
    slipway = start(paths, ['up'])
    expect(await slipway.firstLine, slipway.stderr()).toMatch(/^ready/)
    const socket = join(paths.run, 'lease.sock')
    config = { flavor: 'small', socket, token_file: await tokenOf(paths, 'gitlab'), ttl_s: 30 }
  })
  afterAll(async () => {
    slipway?.child.kill('SIGTERM')
    await slipway?.ended
    remove(paths)
  })

  test('GitLab’s own test of plugins passes', async () => {
    const env = { ...process.env, PLUGIN: plugin, PLUGIN_CONFIG: JSON.stringify(config) }
    const child = spawn(provisioning, ['-test.run', 'TestProvisioning', '-test.v'], { env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk))
    const [code] = await once(child, 'close')
    expect(code, output).toBe(0)
    expect(output).toContain('--- PASS: TestProvisioning')
  })

  test('a machine runs what it is told, from its own host and from another, and is over with its QEMU', async () => {
    const near = new PluginClient({ client, config })
    await near.init()
    await near.increase(1)
    const [instance = ''] = await near.running(1, BOOT_MS)
    // Nobody stands between, and it outlives the plugin.
    const { internal_addr: direct } = await near.connectInfo(instance)
    expect(direct).not.toContain('127.0.0.1')
    expect(await near.ask({ do: 'run', instance, shell: 'cat; echo hi; id -un' })).toMatch(/^hi\nroot/)
    expect(await near.tell({ do: 'run', instance, shell: 'exit 42' })).toMatchObject({
      error: expect.stringContaining('42'),
    })
    await near[Symbol.asyncDispose]()

    using farHost = new FarHost(`slw.${paths.host}.far`)
    await farHost.open(direct.replace(/:22$/, ''))
    await using runner = new PluginClient({ client, config, namespace: farHost.namespace })
    await runner.init()
    expect(await runner.running(1)).toEqual([instance])
    expect((await runner.connectInfo(instance)).internal_addr).toMatch(/^127\.0\.0\.1:/)
    expect(await runner.ask({ do: 'run', instance, shell: 'echo hi' })).toBe('hi\n')
    expect(await runner.tell({ do: 'heartbeat', instance })).toEqual({})
    const { leases } = JSON.parse((await call(paths, 'ls', '--json')).stdout)
    const { machine } = leases.find(({ name }: { name: string }) => name === instance)
    process.kill(qemuOf(paths, machine) ?? 0, 'SIGKILL')
    await eventually('a heartbeat tells it', 30_000, async () => {
      return (await runner.tell({ do: 'heartbeat', instance })).error?.includes('machine_lost')
    })
    expect(await runner.update()).toEqual([{ instance, state: 'deleted' }])
    expect(runner.log).toContain('machine_lost')
  })

  test('nothing is left', async () => {
    await eventually('the audit finds nothing and no lease lives', BOOT_MS, async () => {
      const audit = await call(paths, 'audit')
      const { leases, machines } = JSON.parse((await call(paths, 'ls', '--json')).stdout)
      return audit.code === 0 && leases.length === 0 && machines.length === 0
    })
  })
})
