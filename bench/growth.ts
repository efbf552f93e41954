/**
 * Whether the hundredth clone costs what the first one cost: by the driver and the ready sequence alone, since a
 * coordinator would not place more machines than fit if all wrote all their memory.
 *   sh bin/node bench/growth.ts [tiny|debian] [clones]
 * Time until ready, memory and processor of each idle clone, and how long it takes until nothing is left of them that
 * `slipway audit` would find. Writes to bench/results.json. Exits 1 if a promise is not kept. Needs root; runs in a
 * network namespace of its own.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { leaks } from '../src/agent/audit.ts'
import type { Driver } from '../src/agent/drivers/driver.ts'
import type { MachineId } from '../src/model/index.ts'
import { MEMORY_MIB, openBareHost } from './bare-host.ts'
import { conclude } from './conclude.ts'
import { runIsolated } from './isolated.ts'
import { processorMs } from './processor-time.ts'
import { loadNow } from './results.ts'
import { Samples } from './samples.ts'

const IDLE_MS = 20_000
/** Ready to rest: a clone has things to do once its first connection has closed. */
const SETTLE_MS = 10_000
const DESTROYED_AT_ONCE = 8
const KIB_PER_MIB = 1024

const [image = 'debian', count = '100', folder] = process.argv.slice(2)

if (folder === undefined) {
  await runIsolated(import.meta.filename, image, count)
} else {
  await grow(folder)
}

async function grow(images: string): Promise<void> {
  const samples = new Samples()
  const load = [loadNow()]
  await using host = await openBareHost(images, image)
  const cold = await host.make()
  samples.add('cold PSS MiB', pssMiB(host.pidOf(cold)))
  await host.driver.destroy(cold)
  const template = await host.freeze()

  const clones: MachineId[] = []
  while (clones.length < Number(count)) {
    const startMs = performance.now()
    clones.push(await host.make(template))
    samples.add('ready', performance.now() - startMs)
    load.push(loadNow())
    if (clones.length % 10 === 0) process.stderr.write(`${clones.length} clones, load ${load.at(-1)}\n`)
  }
  const pids = clones.map((clone) => host.pidOf(clone))
  for (const pid of pids) samples.add('clone PSS MiB', pssMiB(pid))
  await wait(SETTLE_MS)
  const before = pids.map(processorMs)
  await wait(IDLE_MS)
  for (const [i, pid] of pids.entries())
    samples.add('idle CPU %', ((processorMs(pid) - (before[i] ?? 0)) / IDLE_MS) * 100)

  const startMs = performance.now()
  await Promise.all(Array.from({ length: DESTROYED_AT_ONCE }, () => destroyFrom(host.driver, clones)))
  // An audit looks at an agent's records besides, and here is no agent.
  const left = leaks(await host.driver.list())
  samples.add('all destroyed', performance.now() - startMs)
  if (left.length > 0) throw new Error(`left: ${JSON.stringify(left)}`)
  report(samples, load)
}

async function destroyFrom(driver: Driver, clones: MachineId[]): Promise<void> {
  for (let next = clones.pop(); next !== undefined; next = clones.pop()) await driver.destroy(next)
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
  conclude('growth', {
    guest: `${image}, 1 vCPU, ${MEMORY_MIB} MiB, ${ready.length} clones`,
    samples,
    load,
    ratios: {
      clonePssOverCold: samples.median('clone PSS MiB') / samples.median('cold PSS MiB'),
      lastTenOverFirstTen: ends.median('last') / ends.median('first'),
      idleCpuPercent: samples.median('idle CPU %'),
      allDestroyedS: samples.median('all destroyed') / 1000,
    },
    most: { clonePssOverCold: 1 / 3, lastTenOverFirstTen: 2, idleCpuPercent: 1, allDestroyedS: 60 },
  })
}
