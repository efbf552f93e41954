import { spawn } from 'node:child_process'
import { open, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { namespacePath } from '../network/index.ts'

/** One process that lives in the private network namespace of this host's daemons: a daemon, or a machine's QEMU. */
export interface EnclosedProcess {
  readonly pid: number
  /** As the kernel shortens it: 15 characters. */
  readonly name: string
  readonly uid: number
}

/**
 * All processes in `namespace`. Nothing but our own daemons enters it, so this finds what a pid file has forgotten,
 * and a pid that was given to somebody else is never taken for ours.
 */
export async function enclosedProcesses(namespace: string): Promise<readonly EnclosedProcess[]> {
  const link = await namespaceLink(namespace)
  if (link === undefined) return []
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number)
  const found = await Promise.all(pids.map((pid) => inspect(pid, link)))
  return found.filter((process) => process !== undefined)
}

/** The daemon that wrote `pidFile`, if it is still `name` and in `namespace`. */
export async function daemonOf(
  pidFile: string,
  { name, namespace }: { readonly name: string; readonly namespace: string },
): Promise<number | undefined> {
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).trim())
  const link = await namespaceLink(namespace)
  if (!Number.isInteger(pid) || pid <= 1 || link === undefined) return undefined
  return (await inspect(pid, link))?.name === name ? pid : undefined
}

/** Starts a program that outlives us, its words in `logFile`. */
export async function startDetached(
  [program, ...args]: readonly [string, ...string[]],
  { logFile, env }: { readonly logFile: string; readonly env: Readonly<Record<string, string>> },
): Promise<void> {
  const log = await open(logFile, 'a', 0o600)
  try {
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log.fd, log.fd], cwd: '/', env })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    child.unref()
  } finally {
    await log.close()
  }
}

async function inspect(pid: number, link: string): Promise<EnclosedProcess | undefined> {
  try {
    if ((await readlink(`/proc/${pid}/ns/net`)) !== link) return undefined
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    if (/^State:\s+[ZX]/m.test(status)) return undefined
    const name = /^Name:\s+(.*)$/m.exec(status)?.[1] ?? ''
    return { pid, name, uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) }
  } catch {
    return undefined
  }
}

/** What `/proc/PID/ns/net` says of a process in that namespace. */
async function namespaceLink(namespace: string): Promise<string | undefined> {
  try {
    return `net:[${(await stat(namespacePath(namespace))).ino}]`
  } catch {
    return undefined
  }
}
