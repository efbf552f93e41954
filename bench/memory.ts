/**
 * Resident memory of coordinator and agent, as processes of their own, over 1,000 leases on the simulated driver.
 *   sh bin/node bench/memory.ts
 * Promised: at most 130 MB each, and flat. Exits 1 otherwise. Needs root, as `slipway up` does.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { Client } from '../src/api/index.ts'
import { parseId } from '../src/model/index.ts'
import { startInstance } from './instance.ts'

const LEASES = 1_000
/** Leases at once. */
const FRONTS = 50
const SAMPLE_EVERY = 50
const MEGABYTES_MAX = 130
/** The last third of the run against the middle one: what a process needs at most it has by then. */
const GROWTH_MAX = 1.05

await using slipway = await startInstance({
  driver: 'simulated',
  coordinatorToml: `[[flavor]]\nname = "tiny"\nimage = "tiny"\nmemory_mib = 256\nvcpus = 1\ndisk_gib = 1\nlimit = ${FRONTS}\n`,
  agentToml: `[limits]\nclones_at_once = ${FRONTS}\n`,
})
const { client } = slipway
const parts = { coordinator: slipway.coordinator, agent: slipway.agent }
const samples: { readonly leases: number; readonly coordinator: number; readonly agent: number }[] = []
const sample = (leases: number): void => {
  samples.push({ leases, coordinator: residentMB(parts.coordinator), agent: residentMB(parts.agent) })
}

let begun = 0
let done = 0
sample(0)
await Promise.all(Array.from({ length: FRONTS }, () => front()))
report()

async function front(): Promise<void> {
  while (begun < LEASES) {
    await job(client, ++begun)
    if (++done % SAMPLE_EVERY === 0) sample(done)
  }
}

async function job(client: Client, number: number): Promise<void> {
  const name = parseId('LeaseName', `bench-${number}`)
  const params = { lease: name }
  await client.call('leaseAsk', { body: { name, flavor: parseId('FlavorName', 'tiny'), ttlMs: 60_000 } })
  for (;;) {
    const lease = await client.call('leaseGet', { params, query: { waitMs: 20_000, state: 'waiting' } })
    if (lease.state === 'ended') throw new Error(`lease ${name} ended: ${JSON.stringify(lease.failure)}`)
    if (lease.state === 'granted') break
  }
  await client.call('leaseAccess', { params })
  await wait(100)
  await client.call('leaseRelease', { params })
}

function report(): void {
  console.log('| leases | coordinator MB | agent MB |\n| ---: | ---: | ---: |')
  for (const { leases, coordinator, agent } of samples) {
    if (leases % (4 * SAMPLE_EVERY) === 0) {
      console.log(`| ${leases} | ${coordinator.toFixed(0)} | ${agent.toFixed(0)} |`)
    }
  }
  console.log('\n| process | most MB | at most | growth, last third to middle | at most |')
  console.log('| --- | ---: | ---: | ---: | ---: |')
  for (const name of ['coordinator', 'agent'] as const) {
    const most = Math.max(...samples.map((each) => each[name]))
    const growth = meanOf(name, 2 / 3, 1) / meanOf(name, 1 / 3, 2 / 3)
    if (most > MEGABYTES_MAX || growth > GROWTH_MAX) process.exitCode = 1
    console.log(`| ${name} | ${most.toFixed(0)} | ${MEGABYTES_MAX} | ${growth.toFixed(3)} | ${GROWTH_MAX} |`)
  }
}

function meanOf(name: 'coordinator' | 'agent', from: number, to: number): number {
  const part = samples.filter(({ leases }) => leases > from * LEASES && leases <= to * LEASES)
  return part.reduce((sum, each) => sum + each[name], 0) / part.length
}

/** proc(5): VmRSS, in kB of 1024 bytes. */
function residentMB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return (Number(kib) * 1024) / 1e6
}
