import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ulid } from 'ulid'
import { enclosedProcesses } from '../../src/agent/drivers/libvirt/daemon/index.ts'
import { LibvirtDriver, type LibvirtSettings } from '../../src/agent/drivers/libvirt/index.ts'
import { type MachineId, parseId } from '../../src/model/index.ts'
import { claim } from '../runner/leftovers.ts'
import { decoyNames } from './decoys.ts'
import type { ConformanceHost } from './host.ts'
import { anySpec } from './image.ts'
import { tinyImage } from './tiny-image.ts'

const execute = promisify(execFile)
const never = new AbortController().signal

export interface LibvirtHost extends ConformanceHost {
  readonly settings: LibvirtSettings
  open(): Promise<LibvirtDriver>
  /** The process id of a machine's QEMU. */
  qemuOf(machine: MachineId): Promise<number>
  /** Has an agent's process begin `machine`, and kills it as soon as it has done `step`. */
  killedAt(step: string, machine: MachineId): Promise<void>
  /** Likewise, a template of the host's own shape. */
  killedBuildingAt(step: string): Promise<void>
}

/** A host of the real driver: its own directories, uids, names and, with the test's process, its own network. */
export async function libvirtHost(changes: Partial<LibvirtSettings> = {}): Promise<LibvirtHost> {
  const top = await mkdtemp('/tmp/slw-')
  const image = tinyImage()
  const settings: LibvirtSettings = {
    host: parseId('HostId', `t${createHash('sha256').update(top).digest('hex').slice(0, 10)}`),
    stateDir: join(top, 'state'),
    runDir: join(top, 'run'),
    readOnlyDirs: [image.dir],
    uplink: '100.64.0.0/16',
    uidBase: 200_000,
    uidCount: 1_000,
    stock: 2,
    memoryReserveMiB: 256,
    diskReserveMiB: 256,
    ...changes,
  }
  claim(top, settings.host)
  await inherit(settings.stateDir)
  const opened: LibvirtDriver[] = []
  /** Ends the one before: two of one host each start what the other stops, which an agent's lock rules out. */
  const open = async (): Promise<LibvirtDriver> => {
    await opened.at(-1)?.close()
    const driver = new LibvirtDriver(settings)
    opened.push(driver)
    return driver
  }
  const speaker = (): LibvirtDriver => {
    const driver = opened.at(-1)
    if (driver === undefined) throw new Error('no driver is open')
    return driver
  }
  /** The open driver lets go of the host meanwhile: each would take the other's spare namespaces for a dead agent's. */
  const insteadOfOpen = async (task: () => Promise<void>): Promise<void> => {
    const driver = speaker()
    await driver.close()
    await task()
    await driver.prepare({ signal: never })
  }
  const spec = { ...anySpec, memoryMiB: 192, diskGiB: 1 }
  const killedAt = (step: string, what: { readonly machine: MachineId } | { readonly template: true }) =>
    insteadOfOpen(() => cloneUntil({ settings, image, spec, step, ...what }))
  const inGuest = (machine: MachineId, command: string): Promise<unknown> =>
    speaker()
      .guest(machine)
      .exec('/bin/sh', ['-c', command], { stdin: '', signal: never, deadlineMs: 60_000 })

  const qemuOf = async (machine: MachineId): Promise<number> => {
    for (const { pid } of await enclosedProcesses(`slw.${settings.host}.libvirtd`)) {
      const { stdout } = await execute('cat', [`/proc/${pid}/cmdline`])
      if (stdout.includes(`guest=slw.${settings.host}.${machine},`)) return pid
    }
    throw new Error(`no QEMU of ${machine}`)
  }

  return {
    settings,
    spec,
    image: image.manifest,
    disk: image.disk,
    deadlineMs: 90_000,
    rehearses: true,
    open,
    qemuOf,
    killedAt: (step, machine) => killedAt(step, { machine }),
    killedBuildingAt: (step) => killedAt(step, { template: true }),
    machine: () => parseId('MachineId', `m-${ulid().toLowerCase()}`),

    async plantDecoys() {
      const names = decoyNames(settings.host, parseId('MachineId', `m-${ulid().toLowerCase()}`))
      const folders = names.map((name) => join(settings.stateDir, 'machines', name))
      for (const folder of folders) await mkdir(folder, { recursive: true })
      for (const name of names) await execute('ip', ['netns', 'add', name])
      await execute('ip', ['link', 'add', 'sw0decoy.1', 'type', 'veth', 'peer', 'name', 'sw0decoy.2'])
      await execute('nft', ['add', 'table', 'inet', `slw.${settings.host}x.ring`])
      return async () => {
        const gone = async (what: string, proof: Promise<unknown>): Promise<readonly string[]> =>
          proof.then(
            () => [],
            () => [what],
          )
        const missing = await Promise.all([
          ...folders.map((folder) => gone(folder, stat(folder))),
          ...names.map((name) => gone(`namespace ${name}`, stat(`/run/netns/${name}`))),
          gone('interface', execute('ip', ['link', 'show', 'sw0decoy.1'])),
          gone('table', execute('nft', ['list', 'table', 'inet', `slw.${settings.host}x.ring`])),
        ])
        for (const name of names) await execute('ip', ['netns', 'del', name]).catch(() => {})
        return missing.flat()
      }
    },

    async leaveHalf(machine) {
      await killedAt('domain', { machine })
    },

    async leaveHalfTemplate() {
      await killedAt('started', { template: true })
    },

    async powerOff(machine) {
      // The guest does not live to report how the command ended.
      await inGuest(machine, '(sleep 1; poweroff -f) >/dev/null 2>&1 &')
    },

    async crash(machine) {
      process.kill(await qemuOf(machine), 'SIGKILL')
    },

    async floodConsole(machine) {
      await inGuest(
        machine,
        'i=0; while [ $i -lt 2000 ]; do printf "\\033[31m%d\\007\\r\\n" $i; i=$((i+1)); done >/dev/ttyS0',
      )
    },

    async close() {
      const last = opened.at(-1)
      if (last !== undefined) {
        await last.prepare({ signal: never })
        for (const machine of await last.running()) await last.destroy(machine)
        for (const resource of await last.list()) await last.remove(resource)
        await last.close()
      }
      await bequeath(settings.stateDir)
      await rm(top, { recursive: true })
    },
  }
}

/** What takes seconds to find out and is the same on every host of this machine. */
const KNOWLEDGE = ['acceleration.json', 'libvirt-cache']
const knownDir = (): string => join(tinyImage().dir, '../known')

async function inherit(stateDir: string): Promise<void> {
  await mkdir(stateDir, { mode: 0o700 })
  await cp(knownDir(), stateDir, { recursive: true }).catch(() => {})
}

async function bequeath(stateDir: string): Promise<void> {
  for (const name of KNOWLEDGE) await cp(join(stateDir, name), join(knownDir(), name), { recursive: true })
}

/** Runs `clone` in a process that is killed as soon as it has done `step`. */
async function cloneUntil(request: Readonly<Record<string, unknown>>): Promise<void> {
  const file = join('/tmp', `slw-request-${process.pid}.json`)
  await writeFile(file, JSON.stringify(request))
  const child = spawn(process.execPath, [join(import.meta.dirname, 'clone-until.ts'), file], {
    stdio: 'inherit',
  })
  await new Promise((resolve) => child.once('exit', resolve))
  await rm(file)
}
