import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ListFlag } from '../../../libvirt/index.ts'
import { assert, type MachineId } from '../../../model/index.ts'
import type { Resource } from '../driver.ts'
import { parseResourceName, resourceName } from '../resource-name.ts'
import { machineCgroups, machineOfCgroup, removeCgroup } from './cgroup.ts'
import { enclosedProcesses, terminate } from './daemon/index.ts'
import type { Hypervisor } from './hypervisor.ts'
import { daemonName, parseSlotName, parseTapName, parseUplinkName, ringName } from './names.ts'
import {
  closeRing,
  interfaceNames,
  interfaceNamesIn,
  namespaceNames,
  removeNamespace,
  removeTap,
  removeUplink,
  ringElements,
  ringExists,
  type SlotLedger,
  slotOf,
} from './network/index.ts'
import { listOverlays, removeOverlay } from './overlay.ts'
import { asking } from './refusal.ts'
import { listRemnants, removeRemnant } from './remnants.ts'
import type { Layout, LibvirtSettings } from './settings.ts'

export interface Estate {
  readonly settings: LibvirtSettings
  readonly layout: Layout
  readonly ledger: SlotLedger
  readonly hypervisor: Hypervisor
}

/**
 * Machines whose guest runs: libvirt says so, and its QEMU lives. One that is paused is half made or stuck; one whose
 * QEMU died while libvirtd was away may stay in libvirt's list for half a minute.
 */
export async function runningMachines({
  settings,
  ledger,
  hypervisor,
}: Estate): Promise<ReadonlySet<MachineId>> {
  const { host, uidBase } = settings
  const domains = await hypervisor.list(ListFlag.running)
  const [owners, processes] = await Promise.all([ledger.assigned(), enclosedProcesses(daemonName(host))])
  const living = new Set(processes.map(({ uid }) => owners.get(uid - uidBase)))
  const machines = domains.map(({ name }) => parseResourceName(host, name))
  return new Set(machines.filter((machine) => machine !== undefined).filter((machine) => living.has(machine)))
}

/** Slot → machine, of all that had one during a look. */
type Owners = ReadonlyMap<number, MachineId>
type Found = readonly Omit<Resource, 'kind'>[]

/** One sort of thing on the host: what there is of it, and how one of it goes. */
interface Kind {
  /** Whose each is can be said when all are found. */
  find(): Promise<(owners: Owners) => Found>
  /** Fine if it is gone. */
  remove(name: string): Promise<void>
}

/** libvirt ends QEMU with SIGTERM, then SIGKILL, and answers when it is gone. */
const DESTROY_MS_MAX = 60_000

/** Everything of ours on this host, of one machine if given, in the order in which it must go. */
export async function listResources(estate: Estate, of?: MachineId): Promise<readonly Resource[]> {
  const { ledger } = estate
  const before = await ledger.assigned()
  const finds = Object.entries(kindsOf(estate)).map(async ([kind, { find }]) => ({
    kind,
    said: await find(),
  }))
  const found = await Promise.all(finds)
  // What began meanwhile is not in the first, what ended not in the second.
  const owners = new Map([...before, ...(await ledger.assigned())])
  const all = found.flatMap(({ kind, said }) => said(owners).map((one): Resource => ({ kind, ...one })))
  return of === undefined ? all : all.filter(({ machine }) => machine === of)
}

export async function removeResource(
  estate: Estate,
  { kind, name }: Pick<Resource, 'kind' | 'name'>,
): Promise<void> {
  const found = kindsOf(estate)[kind]
  assert(found !== undefined, `asked to remove a ${kind}, which this driver does not make`)
  await found.remove(name)
}

/** Everything of ours, in the order in which it must go: nothing is taken away from under a living QEMU. */
function kindsOf({ settings, layout, ledger, hypervisor }: Estate): Readonly<Record<string, Kind>> {
  const { host } = settings
  const slot = (number: number) => slotOf(settings, number)
  const owned = (name: string, machine: MachineId | undefined): Omit<Resource, 'kind'> =>
    machine === undefined ? { name } : { name, machine }

  return {
    domain: {
      async find() {
        const names = (await hypervisor.list()).map(({ name }) => name)
        return () => ours(names, (name) => parseResourceName(host, name))
      },
      async remove(name) {
        const domain = await hypervisor.find(name)
        if (domain === undefined) return
        await asking(
          { action: 'destroy', object: name },
          hypervisor.domains.destroy(domain, { timeoutMs: DESTROY_MS_MAX }),
        ).catch(async (error: unknown) => {
          if ((await hypervisor.find(name)) !== undefined) throw error
        })
      },
    },

    /** A QEMU libvirt has forgotten. */
    process: {
      async find() {
        const running = new Set((await hypervisor.list()).map(({ name }) => parseResourceName(host, name)))
        const found = await enclosedProcesses(daemonName(host))
        return (owners) =>
          found.flatMap(({ pid, uid }) => {
            if (uid <= settings.uidBase || uid >= settings.uidBase + settings.uidCount) return []
            const machine = owners.get(uid - settings.uidBase)
            return machine !== undefined && running.has(machine) ? [] : [owned(String(pid), machine)]
          })
      },
      async remove(name) {
        const process = (await enclosedProcesses(daemonName(host))).find(({ pid }) => String(pid) === name)
        if (process !== undefined && process.uid > settings.uidBase) await terminate(process.pid, 'SIGKILL')
      },
    },

    namespace: {
      async find() {
        const names = await namespaceNames()
        const shared = names.includes(daemonName(host)) ? [{ name: daemonName(host), kept: true }] : []
        const slots = (owners: Owners): Found =>
          names.flatMap((name) => {
            const number = parseSlotName(host, name)
            if (number === undefined) return []
            const machine = owners.get(number)
            return [machine === undefined ? { name, kept: true } : { name, machine }]
          })
        return (owners) => [...slots(owners), ...shared]
      },
      async remove(name) {
        const number = parseSlotName(host, name)
        if (number !== undefined) await removeNamespace(slot(number))
      },
    },

    /** The host's end of a pair whose other end is in a namespace: listed if the namespace is not. */
    uplink: {
      async find() {
        const namespaces = await namespaceNames()
        const names = await interfaceNames()
        return (owners) =>
          names.flatMap((name) => {
            const number = parseUplinkName(host, name)
            if (number === undefined || namespaces.includes(slot(number).namespace)) return []
            return [owned(name, owners.get(number))]
          })
      },
      async remove(name) {
        if (parseUplinkName(host, name) !== undefined) await removeUplink(name)
      },
    },

    /** Made by libvirt, not yet moved into its machine's namespace. */
    tap: {
      async find() {
        const names = await interfaceNamesIn(daemonName(host))
        return (owners) =>
          names.flatMap((name) => {
            const number = parseTapName(name)
            return number === undefined ? [] : [owned(name, owners.get(number))]
          })
      },
      async remove(name) {
        if (parseTapName(name) !== undefined) await removeTap(daemonName(host), name)
      },
    },

    /** What the host's ring lets one machine reach. */
    firewall: {
      async find() {
        const addresses = new Set((await ringElements(host)).map(({ address }) => address))
        const ring = (await ringExists(host)) ? [{ name: ringName(host), kept: true }] : []
        return (owners) => {
          const slots = new Map([...owners].map(([number, machine]) => [slot(number).address, machine]))
          return [...[...addresses].map((address) => owned(address, slots.get(address))), ...ring]
        }
      },
      async remove(name) {
        await closeRing(host, name)
      },
    },

    overlay: {
      async find() {
        const machines = await listOverlays(layout.machinesDir, host)
        return () => machines.map((machine) => ({ name: resourceName(host, machine), machine }))
      },
      async remove(name) {
        const machine = parseResourceName(host, name)
        if (machine !== undefined) await removeOverlay(layout.machinesDir, host, machine)
      },
    },

    /** What QEMU said, by virtlogd, and its rolled-over forerunners. */
    log: {
      async find() {
        const names = await readdir(join(layout.daemon.logDir, 'qemu')).catch(() => [])
        return () => ours(names, (name) => parseResourceName(host, name.replace(LOG_SUFFIX, '')))
      },
      async remove(name) {
        if (parseResourceName(host, name.replace(LOG_SUFFIX, '')) !== undefined)
          await rm(join(layout.daemon.logDir, 'qemu', name), { force: true })
      },
    },

    /** What libvirt keeps of a machine, once it has forgotten the machine. */
    remnant: {
      async find() {
        const known = new Set((await hypervisor.list()).map(({ name }) => parseResourceName(host, name)))
        const remnants = await listRemnants(layout.daemon)
        return (owners) =>
          remnants.flatMap(({ path, uid, slot, domain }) => {
            const number = slot ?? (uid === undefined ? undefined : uid - settings.uidBase)
            const machine = domain === undefined ? owners.get(number ?? 0) : parseResourceName(host, domain)
            return machine !== undefined && known.has(machine) ? [] : [owned(path, machine)]
          })
      },
      async remove(name) {
        await removeRemnant(layout.daemon, name)
      },
    },

    cgroup: {
      async find() {
        const paths = await machineCgroups()
        return () => ours(paths, (path) => machineOfCgroup(host, path))
      },
      async remove(name) {
        if (machineOfCgroup(host, name) !== undefined) await removeCgroup(name)
      },
    },

    /** A machine's number, uid and addresses: the last to go, so that nobody inherits what is still there. */
    slot: {
      async find() {
        return (owners) => [...owners].map(([number, machine]) => ({ name: String(number), machine }))
      },
      async remove(name) {
        await ledger.release(Number(name))
      },
    },
  }
}

function ours(names: readonly string[], machineOf: (name: string) => MachineId | undefined): Found {
  return names.flatMap((name) => {
    const machine = machineOf(name)
    return machine === undefined ? [] : [{ name, machine }]
  })
}

const LOG_SUFFIX = /\.log(\.\d+)?$/
