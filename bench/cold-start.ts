/**
 * From a request to SSH into a machine booted cold, split by phase, beside the same guest booted by QEMU from the
 * command line; the two take turns, so that a busy moment of the machine meets both.
 *   sh bin/node bench/cold-start.ts [tiny|debian] [rounds]
 * Promised: within 1.2 times. Exits 1 otherwise. Needs root; runs in a network namespace of its own.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { ImageStore } from '../src/agent/index.ts'
import type { Client } from '../src/api/index.ts'
import { type Access, parseId, Secret } from '../src/model/index.ts'
import { type Instance, startInstance } from './instance.ts'
import { runIsolated } from './isolated.ts'
import { groupBeside, leaveGroup } from './processor-group.ts'
import { processorMs } from './processor-time.ts'
import { bootRaw, login, PROCESSOR, type Timeline } from './raw-guest.ts'

const RATIO_MAX = 1.2
const [image = 'tiny', rounds = '5', folder] = process.argv.slice(2)

if (folder === undefined) {
  await runIsolated(import.meta.filename, image, rounds)
} else {
  await compare(folder, Number(rounds))
}

async function compare(images: string, rounds: number): Promise<void> {
  const store = new ImageStore(images)
  const { digest } = await store.resolve(image)
  const { manifest, disk } = await store.find(digest)
  const shape =
    image === 'tiny' ? { vcpus: 1, memoryMiB: 256, diskGiB: 1 } : { vcpus: 2, memoryMiB: 2048, diskGiB: 10 }
  const scratch = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  chmodSync(scratch, 0o700)
  const ours: Timeline[] = []
  const raw: Timeline[] = []
  try {
    await using slipway = await startInstance({
      driver: 'libvirt',
      images,
      coordinatorToml: flavor(shape),
      agentToml: '[templates]\nenabled = false\n',
    })
    const acceleration = await accelerationOf(slipway.client)
    const common = { manifest, disk, folder: scratch, ...shape, acceleration }
    // One round more than is counted: the first finds caches cold.
    for (let round = 0; round <= rounds; round++) {
      const { timeline, group } = await bootOurs(slipway, round)
      const beside = await bootRaw({ ...common, group })
      if (group !== undefined) await leaveGroup(group)
      if (round === 0) continue
      ours.push(timeline)
      raw.push(beside)
    }
    report(ours, raw, acceleration)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

interface Shape {
  readonly vcpus: number
  readonly memoryMiB: number
  readonly diskGiB: number
}

function flavor({ vcpus, memoryMiB, diskGiB }: Shape): string {
  const shape = `vcpus = ${vcpus}\nmemory_mib = ${memoryMiB}\ndisk_gib = ${diskGiB}`
  return `[[flavor]]\nname = "bench"\nimage = "${image}"\n${shape}\nallow_emulation = true\n`
}

async function accelerationOf(client: Client): Promise<'hardware' | 'emulated'> {
  const { hosts } = await client.call('hostList', {})
  return hosts[0]?.facts?.acceleration ?? 'emulated'
}

interface Ours {
  readonly timeline: Timeline
  /** Where a raw guest gets the share of the processors that this one had. */
  readonly group: string | undefined
}

/** A lease from its request to the first login of its holder, then until its machine is gone. */
async function bootOurs({ client, qemu }: Instance, round: number): Promise<Ours> {
  const name = parseId('LeaseName', `bench-${round}`)
  const params = { lease: name }
  const startMs = performance.now()
  await client.call('leaseAsk', { body: { name, flavor: parseId('FlavorName', 'bench'), ttlMs: 300_000 } })
  const lease = await client.call('leaseGet', { params, query: { waitMs: 60_000, state: 'waiting' } })
  const grantedMs = performance.now() - startMs
  if (lease.state !== 'granted')
    throw new Error(`no machine: ${JSON.stringify(lease.failure ?? lease.waiting)}`)
  const shown = await client.call('leaseAccess', { params })
  const access: Access = { ...shown, privateKey: new Secret(shown.privateKey) }
  await login(access, AbortSignal.timeout(60_000))
  const loggedInMs = performance.now() - startMs
  const pid = qemu()
  if (pid === undefined) throw new Error('its QEMU is not to be found')
  const usedMs = processorMs(pid)
  const group = groupBeside(pid)
  const steps = new Map((lease.timeline ?? []).map(({ step, atMs }) => [step, atMs]))
  await client.call('leaseRelease', { params })
  while ((await client.call('machineList', {})).machines.length > 0) await wait(50)
  // The agent counts from when it heard of the machine; what came before it is in `granted` alone.
  const timeline = new Map([...steps, ['granted', grantedMs], ['login', loggedInMs], [PROCESSOR, usedMs]])
  return { timeline, group }
}

function report(ours: readonly Timeline[], raw: readonly Timeline[], acceleration: string): void {
  const row = (step: string, left?: number, right?: number): void =>
    console.log(`| ${step} | ${left?.toFixed(0) ?? ''} | ${right?.toFixed(0) ?? ''} |`)
  console.log(`${image}, ${acceleration}, median of ${ours.length}, ms since the request`)
  console.log('| done | slipway | raw QEMU |\n| --- | ---: | ---: |')
  for (const [step] of ours[0] ?? [])
    if (step !== PROCESSOR) row(step, medianOf(ours, step), medianOf(raw, step))
  const [mine, theirs] = [medianOf(ours, 'login') ?? Number.NaN, medianOf(raw, 'ssh') ?? Number.NaN]
  row('SSH ready', mine, theirs)
  row(PROCESSOR, medianOf(ours, PROCESSOR), medianOf(raw, PROCESSOR))
  const ratio = mine / theirs
  console.log(`\nratio ${ratio.toFixed(2)}, at most ${RATIO_MAX}`)
  if (!(ratio <= RATIO_MAX)) process.exitCode = 1
}

function medianOf(runs: readonly Timeline[], step: string): number | undefined {
  const values = runs.flatMap((run) => run.get(step) ?? []).toSorted((a, b) => a - b)
  return values[values.length >> 1]
}
