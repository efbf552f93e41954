import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  Connection,
  CreateFlag,
  type Domain,
  domains,
  ErrorNumber,
  host,
  ListFlag,
  openConsole,
  qemu,
  ResidentConnection,
  StatisticsFlag,
} from '../../src/libvirt/index.ts'
import { PrivateLibvirtd } from './private-libvirtd.ts'

/**
 * The client against a real libvirtd: its test driver for the meaning of calls, its QEMU driver for
 * events, monitor, guest agent and console. The machine has no disk: its firmware talks on the
 * serial line and listens there, which is all that is needed.
 */
let libvirtd: PrivateLibvirtd

beforeAll(async () => {
  libvirtd = await PrivateLibvirtd.start()
})
afterAll(() => libvirtd[Symbol.asyncDispose]())

function open(
  uri: string,
  options: Partial<Parameters<typeof Connection.open>[0]> = {},
): Promise<Connection> {
  return Connection.open({ socketPath: libvirtd.socketPath, uri, ...options })
}

/** Events as they come, and a way to wait for one. */
class Inbox<T> {
  readonly items: T[] = []
  #wake: () => void = () => {}

  readonly put = (item: T): void => {
    this.items.push(item)
    this.#wake()
  }

  async until(matches: (item: T) => boolean): Promise<T> {
    for (;;) {
      const found = this.items.find(matches)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

describe('on the test driver', () => {
  const uri = 'test:///default'
  const xml = (name: string): string =>
    `<domain type='test'><name>${name}</name><memory>8192</memory><os><type>hvm</type></os></domain>`

  test('the host says what it is', async () => {
    await using connection = await open(uri)
    const node = host(connection)
    await expect(node.uri()).resolves.toBe(uri)
    await expect(node.libvirtVersion()).resolves.toMatch(/^\d+\.\d+\.\d+$/)
    await expect(node.hypervisorVersion()).resolves.toBe('0.0.2')
    await expect(node.hostname()).resolves.not.toBe('')
    await expect(node.nodeInfo()).resolves.toMatchObject({ model: 'i686', cpus: 16, memoryKiB: 3_145_728n })
    await expect(node.capabilities()).resolves.toMatch(/^<capabilities>/)
  })

  test('a machine is defined, started, paused, described, annotated, destroyed and undefined', async () => {
    const events = new Inbox<string>()
    await using connection = await open(uri, {
      on: { lifecycle: ({ domain, event, detail }) => events.put(`${domain.name} ${event} ${detail}`) },
    })
    const api = domains(connection)
    const defined = await api.defineXml(xml('made'))
    expect(defined).toMatchObject({ name: 'made', id: -1 })
    await expect(api.lookupByName('made')).resolves.toEqual(defined)
    await expect(api.lookupByUuid(defined.uuid)).resolves.toEqual(defined)
    await expect(api.getState(defined)).resolves.toMatchObject({ state: 'shutoff' })

    const started = await api.create(defined)
    expect(started.id).toBeGreaterThan(0)
    await api.suspend(started)
    await expect(api.getState(started)).resolves.toEqual({ state: 'paused', reason: 'user' })
    await api.resume(started)
    await expect(api.getState(started)).resolves.toEqual({ state: 'running', reason: 'unpaused' })
    await expect(api.getXml(started)).resolves.toContain('<name>made</name>')

    const metadata = { uri: 'https://slipway.test/1', key: 'slipway' }
    await expect(api.getMetadata(started, metadata)).rejects.toMatchObject({
      code: ErrorNumber.NO_DOMAIN_METADATA,
    })
    await api.setMetadata(started, '<machine id="7"/>', metadata)
    await expect(api.getMetadata(started, metadata)).resolves.toMatch(/^<machine id=["']7["']\/>$/)
    await api.setMetadata(started, undefined, metadata)
    await expect(api.getMetadata(started, metadata)).rejects.toMatchObject({
      code: ErrorNumber.NO_DOMAIN_METADATA,
    })

    const running = await api.list({ flags: ListFlag.running })
    expect(running.map(({ name }) => name).sort()).toEqual(['made', 'test'])
    const statistics = await api.statistics({ flags: StatisticsFlag.state })
    expect(statistics.find(({ domain }) => domain.name === 'made')?.values.get('state.state')).toBe(1)

    await api.destroy(started)
    await api.undefine(started)
    await expect(api.lookupByName('made')).rejects.toMatchObject({
      code: ErrorNumber.NO_DOMAIN,
      domain: 12,
      level: 2,
    })
    await events.until((line) => line === 'made undefined removed')
    expect(events.items).toEqual([
      'made defined added',
      'made started booted',
      'made suspended paused',
      'made resumed unpaused',
      'made stopped destroyed',
      'made undefined removed',
    ])
  })

  test('a machine is saved to a file and restored from it', async () => {
    const events = new Inbox<string>()
    await using connection = await open(uri, {
      on: { lifecycle: ({ domain, event, detail }) => events.put(`${domain.name} ${event} ${detail}`) },
    })
    const api = domains(connection)
    const file = join(libvirtd.directory, 'saved')
    const saved = await api.create(await api.defineXml(xml('kept')))
    await api.save(saved, file)
    await expect(api.getState(saved)).resolves.toMatchObject({ state: 'shutoff' })
    await api.restore(file)
    await expect(api.getState(saved)).resolves.toMatchObject({ state: 'running' })
    await api.destroy(saved)
    await api.undefine(saved)
    await events.until((line) => line === 'kept undefined removed')
    expect(events.items.slice(2, -2)).toEqual(['kept stopped saved', 'kept started restored'])
    await expect(api.restore(file.slice(0, -1))).rejects.toMatchObject({ name: 'LibvirtError' })
  })

  test('what libvirt refuses arrives with its number', async () => {
    await using connection = await open(uri)
    const api = domains(connection)
    await expect(api.defineXml('<domain')).rejects.toMatchObject({ codeName: 'XML_DETAIL' })
    await expect(api.defineXml('<domain/>')).rejects.toMatchObject({ name: 'LibvirtError' })
    const machine = await api.createXml(xml('twice'))
    await expect(api.createXml(xml('twice'))).rejects.toMatchObject({ name: 'LibvirtError' })
    await expect(api.create(machine)).rejects.toMatchObject({ code: ErrorNumber.INTERNAL_ERROR })
    await api.destroy(machine)
    await expect(api.destroy(machine)).rejects.toMatchObject({ code: ErrorNumber.NO_DOMAIN })
  })

  test('a URI without a driver is refused', async () => {
    await expect(open('nonsense:///x')).rejects.toMatchObject({
      name: 'LibvirtError',
      codeName: 'NO_CONNECT',
    })
  })

  test('200 pipelined calls are answered', async () => {
    await using connection = await open(uri)
    const calls = Array.from({ length: 200 }, () => domains(connection).lookupByName('test'))
    const names = (await Promise.all(calls)).map(({ name }) => name)
    expect(new Set(names)).toEqual(new Set(['test']))
  })

  test("an idle connection outlives libvirtd's pings, which it answers", async () => {
    await using connection = await open(uri)
    // keepalive_interval = keepalive_count = 1: whoever does not answer is cut off after 2 s.
    await delay(4_000)
    await expect(host(connection).uri()).resolves.toBe(uri)
  })

  test('a libvirtd that stands still is given up', async () => {
    const connection = await open(uri, { keepAlive: { intervalMs: 50, count: 2 } })
    libvirtd.signalDaemon('SIGSTOP')
    try {
      await expect(connection.closed).resolves.toMatchObject({ code: 'KEEPALIVE_TIMEOUT' })
    } finally {
      libvirtd.signalDaemon('SIGCONT')
    }
  })
})

describe('on the QEMU driver', () => {
  const uri = 'qemu:///system'
  const xml = `<domain type='qemu'>
    <name>tiny</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type><bios useserial='yes'/><bootmenu enable='yes' timeout='60000'/></os>
    <devices>
      <controller type='usb' model='none'/>
      <serial type='pty'/>
      <interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
      <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
      <memballoon model='none'/>
    </devices></domain>`

  afterEach(async () => {
    await using connection = await open(uri)
    for (const machine of await domains(connection).list()) {
      // A machine is still listed for a moment after the event that says it stopped.
      await domains(connection)
        .destroy(machine)
        .catch((error) => expect(error).toMatchObject({ code: ErrorNumber.NO_DOMAIN }))
    }
  })

  test('a paused machine is reached through monitor and guest agent, and its events tell its life', async () => {
    const events = new Inbox<string>()
    await using connection = await open(uri, {
      on: {
        lifecycle: ({ event, detail }) => events.put(`${event} ${detail}`),
        agentLifecycle: ({ domain, state, reason }) =>
          events.put(`agent of ${domain.name} ${state} ${reason}`),
      },
    })
    const machine = await domains(connection).createXml(xml, { flags: CreateFlag.paused })
    const commands = qemu(connection)
    await expect(commands.monitor(machine, { execute: 'query-status' })).resolves.toMatchObject({
      running: false,
    })
    await expect(commands.monitorText(machine, 'info status')).resolves.toContain('paused')
    await expect(commands.monitor(machine, { execute: 'no-such' })).rejects.toMatchObject({
      code: 'REFUSED',
      errorClass: 'CommandNotFound',
    })
    const ping = { execute: 'guest-ping' }
    await expect(commands.agent(machine, ping)).rejects.toMatchObject({ code: ErrorNumber.OPERATION_INVALID })
    await domains(connection).resume(machine)
    await expect(commands.agent(machine, ping)).rejects.toMatchObject({
      code: ErrorNumber.AGENT_UNRESPONSIVE,
    })
    await domains(connection).destroy(machine)
    await events.until((line) => line === 'stopped destroyed')
    expect(events.items).toEqual([
      'agent of tiny disconnected domain-started',
      'started booted',
      'suspended paused',
      'resumed unpaused',
      'shutdown host',
      'stopped destroyed',
    ])
  })

  test('the link of an interface is pulled and plugged', async () => {
    await using connection = await open(uri)
    const api = domains(connection)
    const machine = await api.createXml(xml)
    const link = (state: string): string =>
      `<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/><link state='${state}'/></interface>`
    await api.updateDevice(machine, link('down'))
    await expect(api.getXml(machine)).resolves.toContain("<link state='down'/>")
    await api.updateDevice(machine, link('up'))
    await expect(api.getXml(machine)).resolves.toContain("<link state='up'/>")
  })

  test('a machine made with autodestroy ends with the connection', async () => {
    const events = new Inbox<string>()
    await using witness = await open(uri, { on: { lifecycle: ({ event }) => events.put(event) } })
    const connection = await open(uri)
    await domains(connection).createXml(xml, { flags: CreateFlag.paused | CreateFlag.autodestroy })
    await connection.close()
    await events.until((event) => event === 'stopped')
    await expect(domains(witness).list()).resolves.toEqual([])
  })

  test('the console carries both directions, and a second one is refused', async () => {
    await using connection = await open(uri)
    const machine = await domains(connection).createXml(xml, { flags: CreateFlag.paused })
    const console = await openConsole(connection, machine)
    await expect(openConsole(connection, machine)).rejects.toMatchObject({
      code: ErrorNumber.OPERATION_FAILED,
    })
    await domains(connection).resume(machine)
    let seen = ''
    for await (const chunk of console) {
      seen += String(chunk)
      if (seen.includes('Press ESC for boot menu')) break
    }
    expect(console.destroyed).toBe(true)
    // What was aborted can be opened again; the firmware still waits for its key.
    const again = await openConsole(connection, machine)
    again.write('\u001b')
    for await (const chunk of again) {
      seen += String(chunk)
      if (seen.includes('Select boot device')) break
    }
    expect(seen).toContain('Select boot device')
  })

  test('the console ends with its machine, and can be finished before', async () => {
    await using connection = await open(uri)
    const machine = await domains(connection).createXml(xml, { flags: CreateFlag.paused })
    const first = await openConsole(connection, machine)
    first.resume().end()
    await once(first, 'close')
    const second = await openConsole(connection, machine)
    const ended = once(
      second.resume().on('error', () => {}),
      'close',
    )
    await domains(connection).destroy(machine)
    await ended
  })

  test('a call given up is rejected at once; its late answer harms nothing', async () => {
    await using connection = await open(uri)
    const machine = await domains(connection).createXml(xml)
    const pid = libvirtd.machinePid('tiny')
    process.kill(pid, 'SIGSTOP')
    const giveUp = new AbortController()
    const stuck = qemu(connection).monitor(machine, { execute: 'query-status' }, { signal: giveUp.signal })
    const timed = qemu(connection).monitor(machine, { execute: 'query-status' }, { timeoutMs: 20 })
    await expect(timed).rejects.toMatchObject({ code: 'CALL_TIMEOUT' })
    giveUp.abort(new Error('enough'))
    await expect(stuck).rejects.toThrow('enough')
    process.kill(pid, 'SIGCONT')
    await expect(qemu(connection).monitor(machine, { execute: 'query-status' })).resolves.toMatchObject({
      running: true,
    })
  })

  /** Whether a connection survives while `inFlightMax` calls hang in a QEMU that stands still. */
  async function survives(inFlightMax: number, machine: Domain): Promise<boolean> {
    await using connection = await open(uri, { inFlightMax, keepAlive: { intervalMs: 300, count: 4 } })
    const pid = libvirtd.machinePid('tiny')
    process.kill(pid, 'SIGSTOP')
    const stuck = Array.from({ length: 5 }, () =>
      qemu(connection).monitor(machine, { execute: 'query-status' }),
    )
    const lost = connection.closed.then(() => false)
    const survived = await Promise.race([lost, delay(4_000, true)])
    process.kill(pid, 'SIGCONT')
    await Promise.allSettled(stuck)
    return survived
  }

  test('calls that hang cost the connection its pings only beyond the limit in flight', async () => {
    await using connection = await open(uri)
    const machine = await domains(connection).createXml(xml)
    await expect(survives(4, machine)).resolves.toBe(true)
    // The control: libvirtd reads no further than its max_client_requests, 5 unless configured.
    await expect(survives(5, machine)).resolves.toBe(false)
  })

  test('after kill -9 and a restart the machine is there again, and so are events', async () => {
    const log = new Inbox<string>()
    await using resident = new ResidentConnection({
      socketPath: libvirtd.socketPath,
      uri,
      on: {
        connected: () => log.put('connected'),
        disconnected: () => log.put('disconnected'),
        lifecycle: ({ event, detail }) => log.put(`${event} ${detail}`),
      },
    })
    await resident.ready()
    const api = domains(resident)
    const machine = await api.createXml(xml)
    const pending = qemu(resident).monitor(machine, { execute: 'query-status' })
    await Promise.all([libvirtd.killDaemon(), pending.catch(() => {})])
    await log.until((line) => line === 'disconnected')
    await expect(api.list()).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    await libvirtd.startDaemon()
    await resident.ready({ signal: AbortSignal.timeout(20_000) })
    await expect(api.list()).resolves.toMatchObject([{ name: 'tiny', uuid: machine.uuid }])
    // libvirtd answers before it has its machines back. A destroy in that moment still ends the machine,
    // but may be answered with NO_DOMAIN; a monitor command waits until it is in control again.
    await expect(qemu(resident).monitor(machine, { execute: 'query-status' })).resolves.toMatchObject({
      running: true,
    })
    await api.destroy(machine)
    await log.until((line) => line === 'stopped destroyed')
    expect(log.items.filter((line) => line === 'connected')).toHaveLength(2)
  })
})
