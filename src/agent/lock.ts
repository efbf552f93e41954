/**
 * One agent per host name and per run directory. The lock is SQLite's exclusive lock on a file, as the coordinator's
 * is: the kernel drops it with the process, so that a `kill -9` leaves nothing to clean up. A socket would not do: a
 * file system socket stays behind a killed process, an abstract one is seen from its own network namespace only.
 * The host's name has a lock besides the directory's, since the names of its resources are the whole machine's.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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
      ofDir.close()
      ofHost.close()
    }
  } catch (error) {
    ofHost.close()
    throw error
  }
}

async function take(
  path: string,
  named: { readonly host: string; readonly dir: string },
): Promise<DatabaseSync> {
  const pidFile = `${path}.pid`
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 })
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    const pid = (await readFile(pidFile, 'utf8').catch(() => 'unknown')).trim().slice(0, 20)
    throw new SlipwayError('agent_running', { pid, ...named }, { cause })
  }
  await writeFile(pidFile, `${process.pid}\n`, { mode: 0o600 })
  return lock
}
