import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type HostId, type MachineId, SlipwayError, sleep, systemClock } from '../../../model/index.ts'
import { parseResourceName } from '../resource-name.ts'

/**
 * libvirt puts a machine into `machine/qemu-N-NAME.libvirt-qemu` below the root of each hierarchy, whatever the version,
 * and removes it with the machine; one that was killed together with libvirtd stays.
 */
const ROOT = '/sys/fs/cgroup'
const PARTITION = 'machine'
const NAME = /^qemu-\d+-(.+)\.libvirt-qemu$/

/** The machine a control group below `machine` is named after. */
export function machineOfCgroup(host: HostId, path: string): MachineId | undefined {
  const name = NAME.exec(path.split('/').at(-1) ?? '')?.[1]
  return name === undefined ? undefined : parseResourceName(host, name)
}

/** Paths of everybody's machines' control groups, in each hierarchy there is. */
export async function machineCgroups(): Promise<readonly string[]> {
  const hierarchies = [ROOT, ...(await children(ROOT)).map((name) => join(ROOT, name))]
  const found = await Promise.all(
    hierarchies.map(async (hierarchy) => {
      const partition = join(hierarchy, PARTITION)
      return (await children(partition))
        .filter((name) => NAME.test(name))
        .map((name) => join(partition, name))
    }),
  )
  return found.flat()
}

/**
 * Bounds a machine's memory, and keeps it out of swap where the kernel counts swap. Not by libvirt's `memtune`: that
 * also raises the limit of locked memory, which an agent without CAP_SYS_RESOURCE (in a container) may not.
 */
export async function limitMemory(name: string, limitBytes: number): Promise<void> {
  const groups = (await machineCgroups()).filter(
    (path) => NAME.exec(path.split('/').at(-1) ?? '')?.[1] === name,
  )
  const written: boolean[] = []
  for (const path of groups) {
    const [memory, withSwap] = ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'] as const
    const now = Number(await readFile(join(path, memory), 'utf8').catch(() => Number.NaN))
    // Memory and swap together may at no time be less than memory alone.
    for (const file of now < limitBytes ? [withSwap, memory] : [memory, withSwap])
      written.push(await set(join(path, file), String(limitBytes)))
    written.push(
      await set(join(path, 'memory.max'), String(limitBytes)),
      await set(join(path, 'memory.swap.max'), '0'),
    )
  }
  if (!written.includes(true))
    throw new SlipwayError('host_setup', {
      object: `memory limit of ${name}`,
      detail: 'no control group of it has one',
    })
}

/** False where this version of control groups has no such file; never creates one. */
async function set(file: string, value: string): Promise<boolean> {
  try {
    await writeFile(file, value, { flag: 'r+' })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** A process that was just killed holds its group until its parent has looked at it. */
const BUSY_MS_MAX = 10_000
const BUSY_POLL_MS = 50

/** Removes a control group without living processes, and those below it; fine if it is gone. */
export async function removeCgroup(path: string): Promise<void> {
  for (const child of await children(path)) await removeCgroup(join(path, child))
  for (let waitedMs = 0; ; waitedMs += BUSY_POLL_MS) {
    const code = await rmdir(path).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    )
    if (code === undefined || code === 'ENOENT') return
    if (code !== 'EBUSY' || waitedMs >= BUSY_MS_MAX)
      throw new SlipwayError('host_setup', {
        object: `control group ${path}`,
        detail: `it cannot be removed: ${code}`,
      })
    await sleep(systemClock, BUSY_POLL_MS)
  }
}

/** Names of the directories in a directory; none if it is not there. */
async function children(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}
