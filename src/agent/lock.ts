/**
 * One agent per host name and per run directory. The lock is SQLite's exclusive lock on a file, as the coordinator's
 * is: the kernel drops it with the process, so that a `kill -9` leaves nothing to clean up. A socket would not do: a
 * file system socket stays behind a killed process, an abstract one is seen from its own network namespace only.
 * The host's name has a lock besides the directory's, since the names of its resources are the whole machine's.
 */
import { rmSync } from 'node:fs'
import { readdir, readFile, readlink, realpath, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type HostId, SlipwayError } from '../model/index.ts'
import { ensureOwnFolder } from './own-folder.ts'

/** Of all Slipways of this machine; root's alone, so that nobody else can hold a lock in it. */
export const HOSTS_DIR = '/run/slipway-hosts'

export interface LockOptions {
  readonly host: HostId
  readonly runDir: string
  readonly hostsDir?: string
}

/** Takes both locks until the process ends or they are given back; throws `agent_running` with the holder's pid, or `host_setup`. */
export async function takeAgentLock({
  host,
  runDir,
  hostsDir = HOSTS_DIR,
}: LockOptions): Promise<() => void> {
  await ensureOwnFolder(hostsDir)
  await ensureOwnFolder(runDir)
  const ofHost = await take(join(hostsDir, host), { host, dir: hostsDir })
  try {
    const ofDir = await take(join(runDir, 'agent'), { host, dir: runDir })
    return () => {
      ofDir()
      ofHost()
    }
  } catch (error) {
    ofHost()
    throw error
  }
}

type Named = { readonly host: string; readonly dir: string }

/** A lock whose file its last holder removed at that very moment is no lock: the next one is taken. */
async function take(path: string, named: Named): Promise<() => void> {
  for (;;) {
    const lock = await open(path, named)
    if (await isInPlace(`${path}.lock`)) {
      await writeFile(`${path}.pid`, `${process.pid}\n`, { mode: 0o600 })
      return () => release(path, lock)
    }
    lock.close()
  }
}

async function open(path: string, named: Named): Promise<DatabaseSync> {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 })
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return lock
  } catch (cause) {
    lock.close()
    const pid = (await readFile(`${path}.pid`, 'utf8').catch(() => 'unknown')).trim().slice(0, 20)
    throw new SlipwayError('agent_running', { pid, ...named }, { cause })
  }
}

/** True if the file that this process has open under that name still has it: proc(5) marks one that was removed. */
async function isInPlace(file: string): Promise<boolean> {
  const real = join(await realpath(dirname(file)), basename(file))
  for (const fd of await readdir('/proc/self/fd')) {
    if ((await readlink(`/proc/self/fd/${fd}`).catch(() => '')) === real) return true
  }
  return false
}

/** The files go while the lock is still held: whoever opened one of them meanwhile finds it removed. */
function release(path: string, lock: DatabaseSync): void {
  for (const suffix of ['.pid', '.lock-journal', '.lock']) rmSync(path + suffix, { force: true })
  lock.close()
}
