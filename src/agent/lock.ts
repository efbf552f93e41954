/**
 * One agent per host name and per run directory. The host's name has a lock besides the directory's, since the names of
 * its resources are the whole machine's.
 */
import { join } from 'node:path'
import { ensureOwnFolder, takeLock } from '../files/index.ts'
import { type HostId, SlipwayError } from '../model/index.ts'

/** Of all Slipways of this machine; root's alone, so that nobody else can hold a lock in it. */
const HOSTS_DIR = '/run/slipway-hosts'

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
  const ofHost = take(join(hostsDir, host), { host, dir: hostsDir })
  try {
    const ofDir = take(join(runDir, 'agent'), { host, dir: runDir })
    return () => {
      ofDir()
      ofHost()
    }
  } catch (error) {
    ofHost()
    throw error
  }
}

function take(path: string, named: { readonly host: string; readonly dir: string }): () => void {
  const lock = takeLock(path)
  if (lock.taken) return lock.release
  throw new SlipwayError('agent_running', { pid: lock.holder, ...named })
}
