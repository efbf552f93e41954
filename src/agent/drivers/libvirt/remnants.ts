import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type DaemonLayout, SOCKET_KINDS } from './settings.ts'

/** A file or directory that libvirt made for a machine and removes with it, unless it forgot the machine. */
export interface Remnant {
  readonly path: string
  /** Of the machine's uid, or of its socket's slot; neither if the name says whose it is. */
  readonly uid?: number
  readonly slot?: number
  readonly domain?: string
}

/** Directories of one machine are named `domain-N-…` and `N-…`, cut to a length that loses whose; the owner tells. */
const MACHINE_DIRS = [
  ['lib', 'qemu', /^domain-\d+-/],
  ['run', 'qemu/channel', /^\d+-/],
] as const
const STATUS_FILE = /^(slw\..+)\.(pid|xml)$/

/** All there are, of machines that live and of others. */
export async function listRemnants(layout: DaemonLayout): Promise<readonly Remnant[]> {
  const roots = { lib: layout.libDir, run: layout.runDir }
  const dirs = MACHINE_DIRS.map(async ([root, part, pattern]) => {
    const dir = join(roots[root], part)
    const names = (await namesIn(dir)).filter((name) => pattern.test(name))
    return Promise.all(names.map((name) => owned(join(dir, name))))
  })
  const sockets = SOCKET_KINDS.map(async (kind) =>
    (await namesIn(join(layout.runDir, kind))).map((name) => ({
      path: join(layout.runDir, kind, name),
      slot: Number(name),
    })),
  )
  const files = (await namesIn(join(layout.runDir, 'qemu'))).flatMap((name) => {
    const domain = STATUS_FILE.exec(name)?.[1]
    return domain === undefined ? [] : [{ path: join(layout.runDir, 'qemu', name), domain }]
  })
  return [...(await Promise.all(dirs)).flat(2), ...(await Promise.all(sockets)).flat(), ...files]
}

/** Removes one that `listRemnants` named; fine if it is gone. */
export async function removeRemnant(layout: DaemonLayout, path: string): Promise<void> {
  if ((await listRemnants(layout)).some((remnant) => remnant.path === path))
    await rm(path, { recursive: true, force: true })
}

async function owned(path: string): Promise<readonly Remnant[]> {
  const found = await stat(path).catch(() => undefined)
  return found === undefined ? [] : [{ path, uid: found.uid }]
}

const namesIn = (dir: string): Promise<readonly string[]> => readdir(dir).catch(() => [])
