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
 * All processes in `namespace`. Nothing but our own daemons enters it, so this finds what a pid file has forgotten.
 */
export async function enclosedProcesses(namespace: string): Promise<readonly EnclosedProcess[]> {
  const link = await namespaceLink(namespace)
  if (link === undefined) return []
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number)
  const found = await Promise.all(pids.map((pid) => inNamespace(pid, link)))
  return found.filter((process) => process !== undefined)
}

/**
 * The daemon that wrote `pidFile`, if it still runs: a process of that name whose `/run/libvirt` is our `runDir`. A pid
 * that was given to somebody else since is never taken for ours.
 */
export async function daemonOf(
  pidFile: string,
  { name, runDir }: { readonly name: string; readonly runDir: string },
): Promise<number | undefined> {
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).trim())
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  const [found, inside, ours] = await Promise.all([
    lookAt(pid),
    stat(`/proc/${pid}/root/run/libvirt`).catch(() => undefined),
    stat(runDir).catch(() => undefined),
  ])
  const same = inside !== undefined && inside.ino === ours?.ino && inside.dev === ours.dev
  return same && found?.name === name ? pid : undefined
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

async function inNamespace(pid: number, link: string): Promise<EnclosedProcess | undefined> {
  const found = await readlink(`/proc/${pid}/ns/net`).catch(() => undefined)
  return found === link ? lookAt(pid) : undefined
}

/** A process that lives; a zombie does not. */
async function lookAt(pid: number): Promise<EnclosedProcess | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  if (status === '' || /^State:\s+[ZX]/m.test(status)) return undefined
  const name = /^Name:\s+(.*)$/m.exec(status)?.[1] ?? ''
  return { pid, name, uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) }
}

/** What `/proc/PID/ns/net` says of a process in that namespace. */
async function namespaceLink(namespace: string): Promise<string | undefined> {
  try {
    return `net:[${(await stat(namespacePath(namespace))).ino}]`
  } catch {
    return undefined
  }
}
