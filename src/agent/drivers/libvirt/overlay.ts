import { chmod, chown, mkdir, open, readdir, readFile, rm, stat, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type HostId, type MachineId, SlipwayError } from '../../../model/index.ts'
import { parseResourceName, resourceName } from '../resource-name.ts'
import { run } from './command.ts'

/** A machine's directory: the only files on this host its uid can reach, and the only ones that are its own. */
export interface MachineFiles {
  readonly dir: string
  readonly overlay: string
  /** UEFI variables, if the image boots by UEFI. */
  readonly variables: string
  readonly consoleLog: string
  /** Of a machine that is to be frozen: its memory and its state. */
  readonly memory: string
  readonly state: string
  /** Of a clone: names the template it lives on. */
  readonly template: string
}

const MIB = 1024 * 1024

export function machineFiles(machinesDir: string, host: HostId, machine: MachineId): MachineFiles {
  const dir = join(machinesDir, resourceName(host, machine))
  return {
    dir,
    overlay: join(dir, 'disk.qcow2'),
    variables: join(dir, 'variables.fd'),
    consoleLog: join(dir, 'console.log'),
    memory: join(dir, 'memory'),
    state: join(dir, 'state'),
    template: join(dir, 'template'),
  }
}

/**
 * Makes a machine's directory, with what `fill` puts there. It stays root's, passable for the machine alone, so that its
 * QEMU can neither add files nor put another in a file's place; until it is full nobody else can look into it. What was
 * there under the same name is gone first.
 */
export async function makeMachineDir(
  files: MachineFiles,
  { uid, fill }: { readonly uid: number; readonly fill: () => Promise<void> },
): Promise<void> {
  await rm(files.dir, { recursive: true, force: true })
  await mkdir(files.dir, { mode: 0o700 })
  await fill()
  await chown(files.dir, 0, uid)
  await chmod(files.dir, 0o710)
}

export interface OverlayRequest {
  readonly file: string
  readonly base: string
  readonly diskGiB: number
  readonly signal: AbortSignal
  /** The base lies there only later: it is not opened. */
  readonly blind?: boolean
}

/** Makes an empty overlay on `base`. */
export async function makeOverlay({ file, base, diskGiB, signal, blind }: OverlayRequest): Promise<void> {
  // Made by us first and with its mode: qemu-img would let the world read it until we got to it.
  await (await open(file, 'wx', 0o600)).close()
  const backing = [...(blind ? ['-u'] : []), '-F', 'qcow2', '-b', base]
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...backing, file, `${diskGiB}G`], {
    object: `overlay ${basename(dirname(file))}`,
    signal,
  })
}

/** Makes a file the machine's own and nobody else's. */
export async function giveFile(file: string, uid: number): Promise<void> {
  await chmod(file, 0o600)
  await chown(file, uid, uid)
}

/** Removes a machine's directory; fine if it is gone. */
export async function removeOverlay(machinesDir: string, host: HostId, machine: MachineId): Promise<void> {
  await rm(machineFiles(machinesDir, host, machine).dir, { recursive: true, force: true })
}

/** The machines that have a directory. */
export async function listOverlays(machinesDir: string, host: HostId): Promise<readonly MachineId[]> {
  const names = await readdir(machinesDir).catch(() => [])
  return names.map((name) => parseResourceName(host, name)).filter((machine) => machine !== undefined)
}

/** Room for the whole overlay, and the host's reserve besides. Throws `disk_full`. */
export async function requireDisk(dir: string, options: { readonly neededMiB: number }): Promise<void> {
  const freeMiB = await freeDiskMiB(dir)
  if (freeMiB < options.neededMiB)
    throw new SlipwayError('disk_full', { path: dir, freeMiB, neededMiB: options.neededMiB })
}

export async function freeDiskMiB(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir)
  return Math.floor((bavail * bsize) / MIB)
}

/** What the kernel says can be had without swapping. Throws `memory_short`. */
export async function requireMemory(options: { readonly neededMiB: number }): Promise<void> {
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1]
  const freeMiB = Math.floor(Number(available) / 1024)
  if (freeMiB < options.neededMiB)
    throw new SlipwayError('memory_short', { freeMiB, neededMiB: options.neededMiB })
}

/** Base images are opened read-only by strangers' uids: they must be root's, and nobody's to write. */
export async function requireSafeBase(file: string): Promise<void> {
  const { uid, mode } = await stat(file).catch((cause: unknown) => {
    throw new SlipwayError('host_setup', { object: `image ${file}`, detail: 'it cannot be read' }, { cause })
  })
  if (uid === 0 && (mode & 0o222) === 0 && (mode & 0o004) !== 0) return
  const detail = `its owner is ${uid} and its mode ${(mode & 0o777).toString(8)}, not root and 444`
  throw new SlipwayError('host_setup', { object: `image ${file}`, detail })
}
