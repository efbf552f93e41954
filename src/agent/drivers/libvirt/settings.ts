import { join } from 'node:path'
import type { HostId } from '../../../model/index.ts'

/** What the operator decides about this driver. Written by the agent from `agent.toml`. */
export interface LibvirtSettings {
  readonly host: HostId
  /** Survives a reboot: overlays, what QEMU said of itself. */
  readonly stateDir: string
  /** Ends with a reboot, as machines do: the private libvirtd, which slot belongs to whom. */
  readonly runDir: string
  /** Where golden disks and the tools disk lie: every QEMU of ours sees these read-only, and no other file of the host. */
  readonly readOnlyDirs: readonly string[]
  /** IPv4 network of the machines' uplinks, cut into /30s. */
  readonly uplink: string
  /** The one DNS server that guests reach, through their gateway. Absent: no DNS. */
  readonly resolver?: string | undefined
  /** Machine n runs its QEMU as `uidBase + n`; nothing else on the host may use these. */
  readonly uidBase: number
  readonly uidCount: number
  /** Machines' namespaces made ahead of demand. */
  readonly stock: number
  /** Memory that stays with the host whatever is asked. */
  readonly memoryReserveMiB: number
  /** Free space of the file system of `stateDir` that stays free whatever is asked. */
  readonly diskReserveMiB: number
}

/** Where the driver keeps what, derived from the settings alone. */
export interface Layout {
  /** One directory per machine, named after it. */
  readonly machinesDir: string
  /** One directory per template: see `template/store.ts`. Every QEMU sees it, read-only. */
  readonly templatesDir: string
  readonly slotsDir: string
  readonly accelerationFile: string
  readonly daemon: DaemonLayout
}

/** The private libvirtd's directories: the host's path of each, with its path inside the minimal root. */
export interface DaemonLayout {
  readonly baseDir: string
  readonly etcDir: string
  /** `/run/libvirt` */
  readonly runDir: string
  /** `/var/lib/libvirt` */
  readonly libDir: string
  /** `/var/log/libvirt` */
  readonly logDir: string
  /** `/var/cache/libvirt`: what libvirt learned of the installed QEMUs, worth seconds at each start. */
  readonly cacheDir: string
  readonly socket: string
}

export function layoutOf(settings: LibvirtSettings): Layout {
  const baseDir = join(settings.runDir, 'libvirtd')
  const runDir = join(baseDir, 'run')
  return {
    machinesDir: join(settings.stateDir, 'machines'),
    templatesDir: join(settings.stateDir, 'templates'),
    slotsDir: join(settings.runDir, 'slots'),
    accelerationFile: join(settings.stateDir, 'acceleration.json'),
    daemon: {
      baseDir,
      etcDir: join(baseDir, 'etc'),
      runDir,
      libDir: join(baseDir, 'lib'),
      logDir: join(baseDir, 'log'),
      cacheDir: join(settings.stateDir, 'libvirt-cache'),
      socket: join(runDir, 'sock', 'libvirt-sock'),
    },
  }
}

/** What QEMU serves of each machine on a socket; each kind has a directory of its own, in it a socket for each slot. */
export const SOCKET_KINDS = ['console', 'kit'] as const
export type SocketKind = (typeof SOCKET_KINDS)[number]

/** A machine's socket, as this process reaches it; QEMU sees it in `/run/libvirt`. */
export const socketPath = (
  { runDir }: Pick<DaemonLayout, 'runDir'>,
  kind: SocketKind,
  slot: number,
): string => join(runDir, kind, String(slot))
