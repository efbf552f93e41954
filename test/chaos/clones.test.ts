/**
 * Clones of one template, made by the whole ready sequence: what they draw, who they are, what they send, what they do to
 * their template. Each check is shown to fail when the step that it checks is taken out.
 *   SLIPWAY_CLONES=200 npx vitest run --project integration test/chaos/clones.test.ts     the full size; 12 else
 */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { sshDoor } from '../../src/agent/door.ts'
import type { Clone, Template } from '../../src/agent/drivers/driver.ts'
import type { LibvirtDriver } from '../../src/agent/drivers/libvirt/index.ts'
import { slotOf } from '../../src/agent/drivers/libvirt/network/index.ts'
import type { Origin } from '../../src/agent/drivers/libvirt/origin.ts'
import { GREETING, judgeGreeting } from '../../src/agent/kit.ts'
import type { Door } from '../../src/agent/ports.ts'
import { makeReady } from '../../src/agent/ready.ts'
import { warmUp } from '../../src/agent/templates/warm-up.ts'
import { Unseen } from '../../src/agent/unseen.ts'
import { connectSsh } from '../../src/guest/index.ts'
import { type Access, type MachineId, SlipwayError, shapeOf, systemClock } from '../../src/model/index.ts'
import { type LibvirtHost, libvirtHost } from '../conformance/libvirt-host.ts'

const CLONES = Number(process.env.SLIPWAY_CLONES ?? 12)
const SAMPLES = 1_000
const SAMPLE_BYTES = 16
const AT_ONCE = 3
const TEMPLATES_MAX = 5
const UNSEEDED = { generation: true, request: /^entropy=/ } as const
const DEADLINE_MS = 120_000
const CLOCK_OFF_MS_MAX = 100
const CLONE_MS = 30_000
const never = new AbortController().signal
const execute = promisify(execFile)

/** What is taken out of the making of a clone. */
const without = vi.hoisted(() => ({ generation: false, request: /^$/, link: false }))
vi.mock('../../src/agent/drivers/libvirt/origin.ts', async (original) => {
  const real = await original<typeof import('../../src/agent/drivers/libvirt/origin.ts')>()
  return {
    ...real,
    planOrigin: (origin: Origin, ...rest: [never, never]) => ({
      ...real.planOrigin(origin, ...rest),
      ...(without.generation && origin.kind === 'template' && { generationId: origin.template.generationId }),
    }),
  }
})

let host: LibvirtHost
let driver: LibvirtDriver
let template: Template

beforeAll(async () => {
  host = await libvirtHost()
  driver = await host.open()
  await driver.prepare({ signal: never })
  template = await freeze()
})
afterAll(() => host.close())

function freeze(): Promise<Template> {
  const { image, disk, spec } = host
  return driver.buildTemplate({
    ...{ shape: shapeOf(spec), image, disk, forbidden: [], step: () => {}, signal: never },
    warm: (clone) =>
      warmUp(ports(), { clone, image, tools: false, bootMs: DEADLINE_MS, step: () => {}, signal: never }),
  })
}

/** The ready sequence's, less what `without` says. */
const ports = (unseen = new Unseen(host.settings.host), door: Door = sshDoor) => ({
  clock: systemClock,
  random: randomBytes,
  unseen,
  door,
  driver: {
    link: driver.link.bind(driver),
    guest: (machine: MachineId) => {
      const channel = driver.guest(machine)
      const strip = (request: string): string =>
        request
          .split('\n')
          .filter((line) => line === '' || !without.request.test(line))
          .join('\n')
      return {
        ...channel,
        ask: (request: string, rest: Parameters<typeof channel.ask>[1]) => channel.ask(strip(request), rest),
      }
    },
  },
})

interface Made {
  readonly clone: Clone
  readonly access: Access
  readonly frames: Frames
  /** Drawn as soon as it was unique, before its SSH server stirred its own into the generator. */
  readonly samples: readonly string[]
}

/** Makes a clone, and has `use` look at it before it is destroyed. */
async function withClone<T>(use: (made: Made) => Promise<T>, unseen?: Unseen): Promise<T> {
  const machine = host.machine()
  const { image, disk, spec } = host
  const step = (): void => {}
  try {
    const clone = await driver.clone({
      machine,
      spec,
      image,
      disk,
      template: template.id,
      step,
      signal: never,
    })
    const frames = await Frames.of(clone)
    if (without.link) {
      await driver.link(machine, 'up', { signal: never })
      const ping = ['-c', 'ping -c 1 -W 1 10.99.0.1; true']
      await driver.guest(machine).exec('/bin/sh', ping, { stdin: '', signal: never, deadlineMs: DEADLINE_MS })
    }
    const until = { clone, user: image.user, tools: false, bootMs: DEADLINE_MS, signal: never }
    let samples: readonly string[] = []
    const door: Door = async (...login) => {
      if (samples.length === 0) samples = await draw(machine)
      return sshDoor(...login)
    }
    if (without.generation) samples = await draw(machine)
    const access = await makeReady(ports(unseen, door), {
      ...until,
      step: (name) => {
        if (name === 'unique') frames.linkIsUp()
      },
    })
    return await use({ clone, access, frames, samples })
  } finally {
    await driver.destroy(machine)
  }
}

/** Counted where they leave the guest, in its machine's own namespace. */
class Frames {
  readonly #namespace: string
  #before: Promise<number> | undefined

  private constructor(namespace: string) {
    this.#namespace = namespace
  }

  static async of({ address }: Clone): Promise<Frames> {
    let number = 1
    while (slotOf(host.settings, number).address !== address) number++
    const frames = new Frames(slotOf(host.settings, number).namespace)
    const { stdout } = await frames.#run('ip', '-o', 'link')
    const tap = /\d+: (\S*tap\S*):/.exec(stdout)?.[1]
    const chain = [
      `type filter hook ingress device "${tap}" priority -400; policy accept;`,
      'ether type arp accept',
      'ip protocol tcp tcp sport 22 accept',
      'counter comment "other"',
    ]
    const rules = ['table netdev probe {', 'chain seen {', ...chain, '}', '}'].join('\n')
    await frames.#run('nft', rules)
    return frames
  }

  #run(...command: readonly string[]): Promise<{ readonly stdout: string }> {
    return execute('ip', ['netns', 'exec', this.#namespace, ...command])
  }

  /** Of any kind, while the link is down. */
  linkIsUp(): void {
    this.#before = this.#run('sh', '-c', 'cat /sys/class/net/*tap*/statistics/rx_packets').then(
      ({ stdout }) => Number(stdout),
    )
  }

  async beforeLink(): Promise<number> {
    return (await this.#before) ?? Number.NaN
  }

  /** That are neither ARP nor of the SSH server. */
  async others(): Promise<number> {
    const { stdout } = await this.#run('nft', 'list', 'table', 'netdev', 'probe')
    return Number(/packets (\d+) bytes \d+ comment "other"/.exec(stdout)?.[1])
  }
}

async function inGuest(access: Access, command: string): Promise<string> {
  using ssh = await connectSsh({ access, machine: 'a clone', signal: never, deadlineMs: DEADLINE_MS })
  const parts: Buffer[] = []
  const stdout = new Writable({
    write: (part: Buffer, _encoding, done) => {
      parts.push(part)
      done()
    },
  })
  await ssh.exec(command, {
    stdout,
    stderr: new Writable({ write: (_part, _encoding, done) => done() }),
    signal: never,
  })
  return Buffer.concat(parts).toString()
}

interface Shown {
  readonly samples: readonly string[]
  readonly identity: { readonly hostKey: string; readonly machineId: string; readonly hostname: string }
  readonly clockOffMs: number
  readonly framesBefore: number
  readonly framesOther: number
}

/** A read each: a generator gives each reader a stream of its own, so one long read shares nothing with a shifted twin. */
async function draw(machine: MachineId): Promise<readonly string[]> {
  const command = `dd if=/dev/urandom bs=${SAMPLE_BYTES} count=${SAMPLES} 2>/dev/null | base64`
  const patience = { stdin: '', signal: never, deadlineMs: DEADLINE_MS }
  const { stdout } = await driver.guest(machine).exec('/bin/sh', ['-c', command], patience)
  const bytes = Buffer.from(stdout, 'base64')
  return Array.from({ length: SAMPLES }, (_, i) =>
    bytes.toString('hex', i * SAMPLE_BYTES, (i + 1) * SAMPLE_BYTES),
  )
}

const look = async ({ clone, access, frames, samples }: Made): Promise<Shown> => {
  const framesOther = await frames.others()
  const [machineId = '', hostname = ''] = (await inGuest(access, 'cat /etc/machine-id; hostname')).split('\n')
  const clockOffMs = await clockOff(clone.machine)
  // Hard on what it shares with the others: its memory, and its disk, which an image in memory does not need.
  await inGuest(
    access,
    'tr "\\0" x </dev/zero | head -c 33554432 >/tmp/x; dd if=/tmp/x of=/dev/vda bs=1M conv=fsync; rm /tmp/x',
  )
  return {
    samples,
    identity: { hostKey: access.hostKey, machineId, hostname },
    clockOffMs,
    framesBefore: await frames.beforeLink(),
    framesOther,
  }
}

/** How far it is outside of the time between the question and the answer. */
async function clockOff(machine: MachineId): Promise<number> {
  const before = Date.now()
  const line = await driver.guest(machine).ask(GREETING, { signal: never, deadlineMs: DEADLINE_MS })
  const said = judgeGreeting(machine, line)
  return Math.max(before - said, said - Date.now(), 0)
}

/** `count` clones, some at a time. */
async function clones(count: number): Promise<readonly Shown[]> {
  const unseen = new Unseen(host.settings.host)
  const shown: Shown[] = []
  let begun = 0
  const lane = async (): Promise<void> => {
    while (begun++ < count) shown.push(await withClone(look, unseen))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return shown
}

const repeats = (all: readonly string[]): number => all.length - new Set(all).size
const drawn = (all: readonly Shown[]): readonly string[] => all.flatMap(({ samples }) => samples)

async function mutated<T>(taken: Partial<typeof without>, hold: () => Promise<T>): Promise<T> {
  const before = { ...without }
  Object.assign(without, taken)
  try {
    return await hold()
  } finally {
    Object.assign(without, before)
  }
}

describe(`${CLONES} clones`, { timeout: CLONES * CLONE_MS }, () => {
  let all: readonly Shown[]
  beforeAll(async () => {
    all = await clones(CLONES)
  }, CLONES * CLONE_MS)

  test('draw no value twice, together', () => {
    expect(drawn(all)).toHaveLength(CLONES * SAMPLES)
    expect(repeats(drawn(all))).toBe(0)
  })

  test('have each a host key, a machine id and a name of its own', () => {
    for (const what of ['hostKey', 'machineId', 'hostname'] as const)
      expect(repeats(all.map(({ identity }) => identity[what])), what).toBe(0)
    for (const { identity } of all) expect(identity.machineId).toMatch(/^[0-9a-f]{32}$/)
  })

  test('keep the time', () => {
    for (const { clockOffMs } of all) expect(clockOffMs).toBeLessThan(CLOCK_OFF_MS_MAX)
  })

  test('send nothing before their link is up, and then ARP and answers to SSH alone', () => {
    expect(all.map(({ framesBefore }) => framesBefore)).toEqual(all.map(() => 0))
    expect(all.map(({ framesOther }) => framesOther)).toEqual(all.map(() => 0))
  })

  test('leave their template as it was', async () => {
    const dir = templateDir()
    const { files } = JSON.parse(await readFile(join(dir, 'template.json'), 'utf8'))
    const digests = Object.entries<{ sha256: string }>(files)
    expect(digests.length).toBeGreaterThanOrEqual(4)
    const names = await readdir(dir)
    for (const [name, { sha256 }] of digests) {
      const file = names.find((each) => each === name || each.startsWith(`${name}.`)) ?? name
      expect(await digestOf(join(dir, file)), name).toBe(sha256)
    }
  })
})

const templateDir = (): string => join(host.settings.stateDir, 'templates', template.id)

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

describe('without its step', { timeout: 10 * CLONE_MS }, () => {
  /**
   * A kernel reseeds itself, of the time of its interrupts, every few seconds when it is young; clones that draw after it
   * are unlike. When it does is frozen with it: `shown` is tried on other templates.
   */
  async function reseedingIsMissed(shown: () => Promise<boolean>): Promise<void> {
    for (let left = TEMPLATES_MAX; !(await mutated(UNSEEDED, shown)); left--) {
      expect(left).toBeGreaterThan(1)
      await driver.removeTemplate(template.id)
      template = await freeze()
    }
  }

  test('what clones draw repeats, and so do their host keys', async () => {
    await reseedingIsMissed(async () => {
      const alike = [await withClone(look), await withClone(look)]
      return repeats(drawn(alike)) > 0 && repeats(alike.map(({ identity }) => identity.hostKey)) > 0
    })
  })

  test('a clone whose generator is that of an earlier one is refused', async () => {
    await reseedingIsMissed(async () => {
      const unseen = new Unseen(host.settings.host)
      await withClone(async () => {}, unseen)
      const second = withClone(async () => {}, unseen)
      return second.then(
        () => false,
        (error: { code?: string }) => error.code === 'guest_misbehaved',
      )
    })
  })

  test.each([
    ['machine id', /^machine-id=/],
    ['name', /^hostname=/],
    ['host key', /^host-key=/],
    ['clock', /^clock-shift=/],
  ])('a clone keeps its template’s %s, and is refused for it', async (_what, request) => {
    await mutated({ request }, () =>
      expect(withClone(async () => {})).rejects.toMatchObject({ code: 'guest_misbehaved' }),
    )
  })

  test('frames leave a guest whose link is up before it is unique', async () => {
    const { before, others } = await mutated({ link: true }, () =>
      withClone(async ({ frames }) => ({ before: await frames.beforeLink(), others: await frames.others() })),
    )
    expect(before).toBeGreaterThan(0)
    expect(others).toBeGreaterThan(0)
  })
})

test('as a clone’s QEMU, nothing of the template can be opened for writing, made writable or reopened', {
  timeout: 2 * CLONE_MS,
}, async () => {
  await withClone(async ({ clone }) => {
    const pid = await host.qemuOf(clone.machine)
    const uid = /^Uid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''
    expect(Number(uid)).toBeGreaterThan(host.settings.uidBase)
    const rights = [
      `--reuid=${uid}`,
      `--regid=${uid}`,
      '--clear-groups',
      '--no-new-privs',
      '--bounding-set=-all',
    ]
    const may = (where: readonly string[], script: string): Promise<boolean> =>
      execute('env', [...where, 'sh', '-c', script]).then(
        () => true,
        () => false,
      )
    const asClone = ['setpriv', ...rights]
    const inItsRoot = ['nsenter', `--mount=/proc/${pid}/ns/mnt`, ...asClone]
    const held = await openFiles(pid)
    expect(held.length).toBeGreaterThanOrEqual(1)
    for (const name of await readdir(templateDir())) {
      const file = join(templateDir(), name)
      for (const probe of [`exec 3>>'${file}'`, `chmod 0444 '${file}'`]) {
        // Root may: it is no mistake in the probe that keeps the others out.
        if (probe.startsWith('exec')) expect(await may([], probe), `root: ${probe}`).toBe(true)
        expect(await may(asClone, probe), probe).toBe(false)
        expect(await may(inItsRoot, probe), probe).toBe(false)
      }
    }
    for (const fd of held) {
      expect(await may([], `exec 3</proc/${pid}/fd/${fd}`)).toBe(true)
      for (const who of [asClone, inItsRoot])
        expect(await may(who, `exec 3<>/proc/${pid}/fd/${fd}`)).toBe(false)
    }
  })
})

/** Descriptors of a process that are files of the template. */
async function openFiles(pid: number): Promise<readonly string[]> {
  const fds = await readdir(`/proc/${pid}/fd`)
  const links = await Promise.all(
    fds.map(async (fd) => [fd, await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')] as const),
  )
  return links.filter(([, file]) => file.startsWith(templateDir())).map(([fd]) => fd)
}

test('a clone whose QEMU is killed after any step leaves nothing', { timeout: 10 * CLONE_MS }, async () => {
  const { image, disk, spec } = host
  for (const at of ['domain', 'loaded', 'confined', 'started', 'guest', 'unique', 'link']) {
    const machine = host.machine()
    const lost = new AbortController()
    const signal = lost.signal
    const watch = (async () => {
      for await (const event of driver.events({ signal }))
        if (event.machine === machine)
          lost.abort(new SlipwayError('machine_lost', { machine, detail: event.detail }))
    })().catch(() => undefined)
    let killed: Promise<void> | undefined
    const step = (name: string): void => {
      if (name === at) killed = host.qemuOf(machine).then((pid) => void process.kill(pid, 'SIGKILL'))
    }
    const make = async (): Promise<void> => {
      const clone = await driver.clone({
        machine,
        spec,
        image,
        disk,
        template: template.id,
        step,
        signal,
      })
      await killed
      await makeReady(ports(), { clone, user: image.user, tools: false, bootMs: 5_000, step, signal })
      await killed
    }
    const ended = await make().then(
      () => 'made',
      (error: { code?: string }) => error.code ?? String(error),
    )
    await killed
    expect(killed, at).toBeDefined()
    // Killed after its last step but one, the answer may be there already.
    if (at !== 'link') expect(ended, at).toMatch(/^[a-z_]+$/)
    lost.abort()
    await watch
    await driver.destroy(machine)
    expect(
      (await driver.list()).filter((each) => each.machine === machine),
      at,
    ).toEqual([])
  }
  expect((await driver.templates()).map(({ id, clones }) => ({ id, clones }))).toEqual([
    { id: template.id, clones: 0 },
  ])
})

test('a template that holds somebody’s token, or what it must not, is not published', {
  timeout: 4 * CLONE_MS,
}, async () => {
  const { image, disk, spec } = host
  const token = ['glpat', 'abcdefghij0123456789'].join('-')
  for (const [plant, forbidden] of [
    [`echo ${token} >/tmp/x`, []],
    [
      'echo canary-of-the-operator | dd of=/dev/vda bs=1M seek=400 conv=notrunc,fsync',
      ['canary-of-the-operator'],
    ],
  ] as const) {
    const built = driver.buildTemplate({
      ...{ shape: shapeOf(spec), image, disk, forbidden, step: () => {}, signal: never },
      warm: async ({ machine }) => {
        const planted = { stdin: '', signal: never, deadlineMs: DEADLINE_MS }
        await driver.guest(machine).sync(planted)
        await driver.guest(machine).exec('/bin/sh', ['-c', plant], planted)
      },
    })
    await expect(built).rejects.toMatchObject({ code: 'template_unclean' })
    expect((await driver.templates()).map(({ id }) => id)).toEqual([template.id])
    expect((await driver.list()).filter(({ kept }) => !kept)).toEqual([])
  }
})
