/**
 * The plugin on another host than its machines, in front of a played coordinator: GitLab's own connector, which checks no
 * host key, dials what it is told.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FarHost } from '../fleeting/far-host.ts'
import { PluginClient } from '../fleeting/plugin-client.ts'
import { fleetingPrograms } from '../fleeting/programs.ts'
import { Stranger } from '../fleeting/stranger.ts'
import { LeaseServer } from '../fronts/lease-server.ts'
import { SshGuest } from '../fronts/ssh-guest.ts'
import { eventually } from '../up/instance.ts'

const programs = await fleetingPrograms()
const root = process.getuid?.() === 0
if ('missing' in programs) console.warn(`SKIPPED: no fleeting client: ${programs.missing}`)
const clientProgram = 'client' in programs ? programs.client : ''
const TOKEN = 'slw_of-the-runner'

describe.skipIf('missing' in programs || !root)('a runner and machines of another host', () => {
  let folder: string
  let far: FarHost
  let guest: SshGuest
  let leases: LeaseServer
  /** Who answers at the machine's address, if it is not the machine. */
  let inItsPlace: { readonly port: number } | undefined
  let runner: PluginClient

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'slw-far-'))
    far = new FarHost(`far.${process.pid}`)
    guest = new SshGuest(folder)
    await guest.start(far.address)
    inItsPlace = undefined
    const [socket, tokenFile] = [join(folder, 'lease.sock'), join(folder, 'token')]
    writeFileSync(tokenFile, TOKEN, { mode: 0o600 })
    leases = new LeaseServer({ socket, token: TOKEN, access: () => ({ ...guest.access, ...inItsPlace }) })
    await leases.start()
    const config = { flavor: 'small', socket, token_file: tokenFile }
    runner = new PluginClient({ client: clientProgram, config, namespace: far.namespace })
    await runner.init()
  })
  afterEach(async () => {
    await runner?.[Symbol.asyncDispose]()
    await leases?.stop()
    await guest?.stop()
    far?.[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  async function instance(): Promise<string> {
    await runner.increase(1)
    const [name = ''] = await runner.running(1)
    return name
  }

  test('a machine that shows the pinned key is reached through a tunnel, the same each time', async () => {
    const name = await instance()
    const { internal_addr: told, external_addr: same } = await runner.connectInfo(name)
    expect(told).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(same).toBe(told)
    expect(await runner.ask({ do: 'run', instance: name, shell: 'true' })).toBe('')
    expect(await runner.tell({ do: 'run', instance: name, shell: 'exit 42' })).toMatchObject({
      error: expect.stringContaining('42'),
    })
    const large = 'head -c 3000000 /dev/zero | tr "\\0" x'
    expect(await runner.ask({ do: 'run', instance: name, shell: large })).toHaveLength(3_000_000)
    expect((await runner.connectInfo(name)).internal_addr).toBe(told)
    expect(await runner.decrease(name)).toEqual([name])
    expect((await runner.tell({ do: 'connectInfo', instance: name })).error).toContain('not_found')
  })

  test('who shows another key is refused before the runner says anything to it, and the machine is over', async () => {
    const name = await instance()
    using stranger = new Stranger()
    inItsPlace = { port: await stranger.listen(far.address) }
    const { error } = await runner.tell({ do: 'run', instance: name, shell: 'echo secret', timeoutMs: 3_000 })
    expect(error).toContain('dial ssh')
    expect(stranger.met).toBeGreaterThan(0)
    expect(stranger.heard).toEqual([])
    await eventually('the lease is given back', 5_000, () => leases.lease(name)?.end === 'released')
    expect(runner.log).toContain('host_key_mismatch')
    expect(await runner.update()).toEqual([{ instance: name, state: 'deleted' }])
  })
})

test.skipIf('missing' in programs || !root)(
  'on the same host nobody stands between: no tunnel, and the runner itself would take any key',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slw-near-'))
    const [socket, tokenFile] = [join(folder, 'lease.sock'), join(folder, 'token')]
    writeFileSync(tokenFile, TOKEN, { mode: 0o600 })
    const guest = new SshGuest(folder)
    await guest.start()
    using stranger = new Stranger()
    const port = await stranger.listen('127.0.0.1')
    const leases = new LeaseServer({ socket, token: TOKEN, access: () => ({ ...guest.access, port }) })
    await leases.start()
    try {
      const config = { flavor: 'small', socket, token_file: tokenFile }
      await using runner = new PluginClient({ client: clientProgram, config })
      await runner.init()
      await runner.increase(1)
      const [name = ''] = await runner.running(1)
      expect((await runner.connectInfo(name)).internal_addr).toBe(`127.0.0.1:${port}`)
      expect(await runner.ask({ do: 'run', instance: name, shell: 'echo secret' })).toBe('caught')
      expect(stranger.heard).toContain('echo secret')
    } finally {
      await leases.stop()
      await guest.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
