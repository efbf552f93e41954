/**
 * A control group beside those of Slipway's machines. All machines of a host together weigh as much as one of its other
 * groups or sessions: on a busy host a QEMU outside would get a larger share, and the comparison would be of shares.
 */
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const ROOT = '/sys/fs/cgroup'
const RMDIR_TRIES = 50

/** Path of the file to write a pid to; absent where machines are in no group of their own. cgroups(7), both versions. */
export function groupBeside(machine: number): string | undefined {
  const lines = readFileSync(`/proc/${machine}/cgroup`, 'utf8').split('\n')
  for (const line of lines) {
    const [, controllers = '', path = ''] = line.split(':')
    const partition = /^(.*\/machine[^/]*)\//.exec(path)?.[1]
    if (partition === undefined || !['', 'cpu', 'cpu,cpuacct'].includes(controllers)) continue
    const folder = join(ROOT, controllers, partition, `slipway-bench-${process.pid}`)
    mkdirSync(folder, { recursive: true })
    return join(folder, 'cgroup.procs')
  }
  return undefined
}

/** Removes it once its last process is gone. */
export async function leaveGroup(procs: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      rmdirSync(join(procs, '..'))
      return
    } catch (error) {
      if (tries === RMDIR_TRIES) throw error
      await wait(20)
    }
  }
}
