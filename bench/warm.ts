/**
 * A warm machine, on demand and from the pool, beside a cold one, beside QEMU alone and libvirt alone doing the same: in
 * turns, so that a busy moment of the machine meets all of them.
 *   sh bin/node bench/warm.ts [tiny|debian] [rounds]
 * Writes its samples and ratios to bench/results.json. Exits 1 if a promised ratio is not kept. Needs root; runs in a
 * network namespace of its own. Debian takes a quarter of an hour, most of it boots.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { ImageStore } from '../src/agent/index.ts'
import type { Client } from '../src/api/index.ts'
import { hullsIn } from '../src/model/index.ts'
import { type Instance, startInstance } from './instance.ts'
import { runIsolated } from './isolated.ts'
import { timedLease, untilSettled } from './lease.ts'
import { type LibvirtPeer, openLibvirtPeer } from './libvirt-peer.ts'
import { type RawClone, rawCloneOf, resumeRaw } from './raw-clone.ts'
import { bootRaw, type RawGuest } from './raw-guest.ts'
import { loadNow, record } from './results.ts'
import { Samples } from './samples.ts'

/** Cold boots take most of the time: one in so many rounds, after each. */
const COLD_EVERY = 4
const EIGHT_EVERY = 7
const AT_ONCE = 8
const TEMPLATE_MS = 10 * 60_000
/** What a lease, a clone's removal and the reaper leave to do, done before the next sample. */
const REST_MS = 250

const POLL_MS = 500

const BOUNDS: Readonly<Record<string, { readonly least?: number; readonly most?: number }>> = {
  coldOverWarmSshTrue: { least: 14 },
  coldOverPoolSshTrue: { least: 60 },
  coldOverRawCold: { most: 1.2 },
  resumedOverRawQemu: { most: 2.5 },
  eightAtOnceOverOne: { most: 8 },
}

const [image = 'debian', rounds = '20', folder] = process.argv.slice(2)
const shape = { vcpus: 1, memoryMiB: 256, diskGiB: image === 'tiny' ? 1 : 4 }

const flavor = (name: string, more: string): string =>
  `[[flavor]]\nname = "${name}"\nimage = "${image}"\nvcpus = ${shape.vcpus}\nmemory_mib = ${shape.memoryMiB}\n` +
  `disk_gib = ${shape.diskGiB}\nallow_emulation = true\n${more}\n`
const flavors = flavor('warm', '') + flavor('pool', 'idle = 1')
/** Apart from the others on this machine. */
const apart = (network: number, templates: string): string =>
  `[templates]\n${templates}\n[network]\nuplink = "100.${network}.0.0/16"\n[libvirt]\nuid_base = ${network}0000\n`
/** Boots everything. */
const coldToml = { coordinatorToml: flavor('cold', ''), agentToml: apart(66, 'enabled = false') }
/** Clones, and has nothing ready. */
const bareToml = { coordinatorToml: flavor('bare', ''), agentToml: apart(68, 'hulls = 0') }
/** As it is by default. */
const HULLS = 8

if (folder === undefined) {
  await runIsolated(import.meta.filename, image, rounds)
} else {
  await compare(folder, Number(rounds))
}

async function compare(images: string, rounds: number): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  chmodSync(scratch, 0o700)
  const samples = new Samples()
  const load: number[] = []
  try {
    await using cold = await startInstance({ driver: 'libvirt', images, ...coldToml })
    await using bare = await startInstance({ driver: 'libvirt', images, ...bareToml })
    await untilTemplate(bare.client, 'bare')
    await using warm = await startInstance({ driver: 'libvirt', images, coordinatorToml: flavors })
    await untilTemplate(warm.client, 'warm')
    // The pool's first machine was there before the template.
    await timedLease(warm.client, 'pool')
    await rest(warm)
    const raw = await rawParties(warm, images, scratch)
    await using libvirt = await openLibvirtPeer(raw.guest)
    const parties: Parties = { cold, bare, warm, libvirt, ...raw }
    // One round more than is counted: the first finds caches cold.
    for (let round = 0; round <= rounds; round++) {
      const taken = await takeTurns(parties, round)
      load.push(loadNow())
      if (round > 0) for (const [name, value] of taken) samples.add(name, value)
      process.stderr.write(`round ${round} of ${rounds}, load ${load.at(-1)}\n`)
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  report(samples, load)
}

interface Parties {
  readonly cold: Instance
  readonly bare: Instance
  readonly warm: Instance
  readonly clone: RawClone
  readonly guest: RawGuest
  readonly libvirt: LibvirtPeer
}

async function rawParties(
  warm: Instance,
  images: string,
  folder: string,
): Promise<Pick<Parties, 'clone' | 'guest'>> {
  const store = new ImageStore(images)
  const { manifest, disk } = await store.find((await store.resolve(image)).digest)
  const { hosts } = await warm.client.call('hostList', {})
  const acceleration = hosts[0]?.facts?.acceleration ?? 'emulated'
  const pid = warm.qemu()
  if (pid === undefined) throw new Error('no QEMU of the pool is to be found')
  const guest = { manifest, disk, folder, ...shape, acceleration, group: undefined }
  return { clone: await rawCloneOf(pid, folder), guest }
}

async function takeTurns(parties: Parties, round: number): Promise<readonly Sample[]> {
  const { cold, bare, warm, clone, guest, libvirt } = parties
  const taken: Sample[] = []
  const take = (name: string, value: number | undefined): void => {
    if (value !== undefined) taken.push([name, value])
  }
  const demanded = await timedLease(warm.client, 'warm')
  take('warm ready', demanded.readyMs)
  take('warm resumed', demanded.resumedMs)
  take('warm answered', demanded.answeredMs)
  take('warm ssh true', demanded.sshMs)
  await rest(warm)
  const unhulled = await timedLease(bare.client, 'bare')
  take('no hull resumed', unhulled.resumedMs)
  take('no hull answered', unhulled.answeredMs)
  take('no hull ssh true', unhulled.sshMs)
  await rest(bare, { idle: 0, hulls: 0 })
  take('raw resumed', await resumeRaw(clone))
  take('libvirt restore answered', await libvirt.restore())
  const pooled = await timedLease(warm.client, 'pool')
  take('pool granted', pooled.grantedMs)
  take('pool ssh true', pooled.sshMs)
  await rest(warm)
  if (round % EIGHT_EVERY === 1) {
    take('eight ssh true', await eightAtOnce(warm.client))
    await rest(warm)
  }
  if (round % COLD_EVERY === 1) {
    const booted = await timedLease(cold.client, 'cold')
    take('cold answered', booted.answeredMs)
    take('cold ready', booted.readyMs)
    take('cold ssh true', booted.sshMs)
    await rest(cold, { idle: 0, hulls: 0 })
    take('raw cold ssh true', (await bootRaw(guest)).get('ssh'))
    take('libvirt boot answered', await libvirt.boot())
  }
  return taken
}

type Sample = readonly [name: string, ms: number]

/** Until the last of them has run `true`; all must. */
async function eightAtOnce(client: Client): Promise<number> {
  const all = await Promise.all(Array.from({ length: AT_ONCE }, () => timedLease(client, 'warm')))
  return Math.max(...all.map(({ sshMs }) => sshMs))
}

async function rest({ client }: Instance, { idle = 1, hulls = HULLS } = {}): Promise<void> {
  await untilSettled(client, idle)
  while ((await hullCount(client)) < hulls) await wait(POLL_MS)
  await wait(REST_MS)
}

async function hullCount(client: Client): Promise<number> {
  const { templates } = await client.call('templateList', {})
  return hullsIn(templates.map(({ template }) => template)).size
}

async function untilTemplate(client: Client, flavor: string): Promise<void> {
  await timedLease(client, flavor)
  const giveUpAt = performance.now() + TEMPLATE_MS
  for (;;) {
    const { hosts } = await client.call('hostList', {})
    if (hosts.some(({ facts }) => facts?.templates?.some(({ state }) => state === 'ready'))) return
    if (performance.now() > giveUpAt) throw new Error(`no template: ${JSON.stringify(hosts)}`)
    await wait(POLL_MS)
  }
}

function report(samples: Samples, load: readonly number[]): void {
  const median = (name: string): number => samples.median(name)
  const ratios = {
    coldOverWarmSshTrue: median('cold ssh true') / median('warm ssh true'),
    coldOverPoolSshTrue: median('cold ssh true') / median('pool ssh true'),
    coldOverWarmReady: median('cold ready') / median('warm ready'),
    coldOverRawCold: median('cold ssh true') / median('raw cold ssh true'),
    resumedOverRawQemu: median('warm resumed') / median('raw resumed'),
    coldOverNoHullSshTrue: median('cold ssh true') / median('no hull ssh true'),
    resumedNoHullOverRawQemu: median('no hull resumed') / median('raw resumed'),
    libvirtRestoreOverWarmAnswered: median('libvirt restore answered') / median('warm answered'),
    libvirtRestoreOverNoHullAnswered: median('libvirt restore answered') / median('no hull answered'),
    libvirtBootOverColdAnswered: median('libvirt boot answered') / median('cold answered'),
    eightAtOnceOverOne: median('eight ssh true') / median('warm ssh true'),
    eightAtOnceOverOneNoHull: median('eight ssh true') / median('no hull ssh true'),
  }
  const guest = `${image}, ${shape.vcpus} vCPU, ${shape.memoryMiB} MiB, boots from its disk`
  console.log(`${guest}; ms since the request; load ${Math.min(...load)} to ${Math.max(...load)}\n`)
  console.log(samples.table(), '\n')
  record('warm', { guest, samples: samples.toJSON(), load, ratios })
  for (const [name, ratio] of Object.entries(ratios)) {
    const { least, most } = BOUNDS[name] ?? {}
    // A ratio that could not be taken is not kept.
    const kept = ratio >= (least ?? 0) && ratio <= (most ?? Number.POSITIVE_INFINITY)
    const bound = least !== undefined ? `, at least ${least}` : most !== undefined ? `, at most ${most}` : ''
    console.log(`${name} ${ratio.toFixed(2)}${bound}${kept ? '' : ': NOT KEPT'}`)
    if (!kept) process.exitCode = 1
  }
}
