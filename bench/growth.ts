/**
 * Whether the hundredth clone costs what the first one cost: by the driver and the ready sequence alone, since a
 * coordinator would not place more machines than fit if all wrote all their memory.
 *   sh bin/node bench/growth.ts [tiny|debian] [clones]
 * Time until ready, memory and processor of each idle clone, and how long it takes until nothing is left of them. Writes
 * to bench/results.json. Exits 1 if a promise is not kept. Needs root; runs in a network namespace of its own.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { ulid } from 'ulid'
import { sshDoor } from '../src/agent/door.ts'
import type { Template } from '../src/agent/drivers/driver.ts'
import { LibvirtDriver } from '../src/agent/drivers/libvirt/index.ts'
import { ImageStore } from '../src/agent/index.ts'
import { makeReady } from '../src/agent/ready.ts'
import { warmUp } from '../src/agent/templates/warm-up.ts'
import { Unseen } from '../src/agent/unseen.ts'
import {
  type MachineId,
  type MachineSpec,
  parseId,
  shapeOf,
  systemClock,
  type TemplateId,
} from '../src/model/index.ts'
import { qemuOf } from '../test/up/instance.ts'
import { runIsolated } from './isolated.ts'
import { processorMs } from './processor-time.ts'
import { loadNow, record } from './results.ts'
import { Samples } from './samples.ts'

const HOST = parseId('HostId', 'bench')
const BOOT_MS = 180_000
const IDLE_MS = 20_000
/** Ready to rest: a clone has things to do once its first connection has closed. */
const SETTLE_MS = 10_000
const DESTROYED_AT_ONCE = 8
const KIB_PER_MIB = 1024

const [image = 'debian', count = '100', folder] = process.argv.slice(2)
const signal = new AbortController().signal
const step = (): void => {}

if (folder === undefined) {
  await runIsolated(import.meta.filename, image, count)
} else {
  const top = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  try {
    await grow(folder, top)
  } finally {
    rmSync(top, { recursive: true, force: true })
  }
}

async function grow(images: string, top: string): Promise<void> {
  const samples = new Samples()
  const load = [loadNow()]
  await using bench = await openBench(images, top)
  const cold = await bench.make()
  samples.add('cold PSS MiB', pssMiB(pidOf(cold)))
  await bench.driver.destroy(cold)
  const template = await bench.freeze()

  const clones: MachineId[] = []
  while (clones.length < Number(count)) {
    const startMs = performance.now()
    clones.push(await bench.make(template.id))
    samples.add('ready', performance.now() - startMs)
    load.push(loadNow())
    if (clones.length % 10 === 0) process.stderr.write(`${clones.length} clones, load ${load.at(-1)}\n`)
  }
  const pids = clones.map(pidOf)
  for (const pid of pids) samples.add('clone PSS MiB', pssMiB(pid))
  await wait(SETTLE_MS)
  const before = pids.map(processorMs)
  await wait(IDLE_MS)
  for (const [i, pid] of pids.entries())
    samples.add('idle CPU %', ((processorMs(pid) - (before[i] ?? 0)) / IDLE_MS) * 100)

  const startMs = performance.now()
  await Promise.all(Array.from({ length: DESTROYED_AT_ONCE }, () => destroyFrom(bench.driver, clones)))
  const left = (await bench.driver.list()).filter(({ kept }) => !kept)
  samples.add('all destroyed', performance.now() - startMs)
  if (left.length > 0) throw new Error(`left: ${JSON.stringify(left)}`)
  report(samples, load)
}

async function destroyFrom(driver: LibvirtDriver, clones: MachineId[]): Promise<void> {
  for (let next = clones.pop(); next !== undefined; next = clones.pop()) await driver.destroy(next)
}

interface Bench extends AsyncDisposable {
  readonly driver: LibvirtDriver
  /** Booted, or a clone; ready. */
  make(template?: TemplateId): Promise<MachineId>
  freeze(): Promise<Template>
}

async function openBench(images: string, top: string): Promise<Bench> {
  const store = new ImageStore(images)
  const { digest } = await store.resolve(image)
  const { manifest, disk } = await store.find(digest)
  mkdirSync(join(top, 'state'), { mode: 0o711 })
  const driver = new LibvirtDriver({
    host: HOST,
    stateDir: join(top, 'state'),
    runDir: join(top, 'run'),
    readOnlyDirs: [images],
    uplink: '100.64.0.0/16',
    uidBase: 200_000,
    uidCount: 1_000,
    stock: 4,
    memoryReserveMiB: 256,
    diskReserveMiB: 256,
  })
  await driver.prepare({ signal })
  const spec: MachineSpec = {
    flavor: parseId('FlavorName', 'bench'),
    image: digest,
    vcpus: 1,
    memoryMiB: 256,
    diskGiB: image === 'tiny' ? 1 : 4,
    network: { allow: [] },
    trustDomain: parseId('TrustDomain', 'bench'),
    allowEmulation: true,
  }
  const unseen = new Unseen(HOST)
  const ports = { driver, clock: systemClock, random: randomBytes, unseen, door: sshDoor }
  const common = { image: manifest, disk, step, signal }
  return {
    driver,
    async make(template) {
      const machine = parseId('MachineId', `m-${ulid().toLowerCase()}`)
      const clone = await driver.clone({ machine, spec, ...common, ...(template && { template }) })
      await makeReady(ports, { clone, user: manifest.user, tools: false, bootMs: BOOT_MS, step, signal })
      return machine
    },
    freeze: () =>
      driver.buildTemplate({
        ...common,
        shape: shapeOf(spec),
        forbidden: [],
        warm: (clone) =>
          warmUp(ports, { clone, image: manifest, tools: false, bootMs: BOOT_MS, step, signal }),
      }),
    async [Symbol.asyncDispose]() {
      for (const machine of await driver.running()) await driver.destroy(machine)
      for (const resource of await driver.list()) await driver.remove(resource)
      await driver.close()
    },
  }
}

function pidOf(machine: MachineId): number {
  const pid = qemuOf({ host: HOST }, machine)
  if (pid === undefined) throw new Error(`no QEMU of ${machine}`)
  return pid
}

/** Its share of all memory: what it shares with n others counts an nth. */
function pssMiB(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]) / KIB_PER_MIB
}

function report(samples: Samples, load: readonly number[]): void {
  const ready = samples.of('ready')
  const ends = new Samples()
  for (const value of ready.slice(0, 10)) ends.add('first', value)
  for (const value of ready.slice(-10)) ends.add('last', value)
  const figures = {
    clonePssOverCold: samples.median('clone PSS MiB') / samples.median('cold PSS MiB'),
    lastTenOverFirstTen: ends.median('last') / ends.median('first'),
    idleCpuPercent: samples.median('idle CPU %'),
    allDestroyedS: samples.median('all destroyed') / 1000,
  }
  const most: Readonly<Record<string, number>> = {
    clonePssOverCold: 1 / 3,
    lastTenOverFirstTen: 2,
    idleCpuPercent: 1,
    allDestroyedS: 60,
  }
  const guest = `${image}, 1 vCPU, 256 MiB, ${ready.length} clones`
  console.log(`${guest}; ms unless it says otherwise; load ${Math.min(...load)} to ${Math.max(...load)}\n`)
  console.log(samples.table(), '\n')
  record('growth', { guest, samples: samples.toJSON(), load, ratios: figures })
  for (const [name, figure] of Object.entries(figures)) {
    const bound = most[name] ?? Number.POSITIVE_INFINITY
    const kept = figure <= bound
    console.log(`${name} ${figure.toFixed(2)}, at most ${bound.toFixed(2)}${kept ? '' : ': NOT KEPT'}`)
    if (!kept) process.exitCode = 1
  }
}
