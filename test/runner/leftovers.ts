/**
 * What a test run that was killed by hand leaves: a Slipway that runs on, a libvirtd, QEMUs, namespaces, folders. The
 * next run ends them. Only what a test has put its name to is touched, and only once that test's process is gone.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { machineCgroups, removeCgroup } from '../../src/agent/drivers/libvirt/cgroup.ts'

const TOP = '/tmp'
const FOLDER = /^(slw|slipway-up)-/
const OWNER = 'test-owner.json'
const END_MS_MAX = 10_000
const POLL_MS = 50

interface Owner {
  readonly pid: number
  /** In the kernel's ticks since boot: a pid is used again. */
  readonly since: string
  /** In the names of everything the test makes on this machine. */
  readonly host: string
}

/** Says that `folder`, and all that is named after `host`, is this process's. */
export function claim(folder: string, host: string): void {
  const owner: Owner = { pid: process.pid, since: startOf(process.pid) ?? '', host }
  writeFileSync(join(folder, OWNER), JSON.stringify(owner))
}

/** vitest's global set-up. */
export async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) return
  for (const name of readdirSync(TOP).filter((each) => FOLDER.test(each)))
    await endIfOrphaned(join(TOP, name))
}

/** True if it was a dead test's, and is gone. */
export async function endIfOrphaned(folder: string): Promise<boolean> {
  const owner = ownerOf(folder)
  if (owner === undefined || startOf(owner.pid) === owner.since) return false
  for (let waitedMs = 0; waitedMs < END_MS_MAX; waitedMs += POLL_MS) {
    const pids = processesOf(folder, owner.host)
    if (pids.length === 0) break
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await delay(POLL_MS)
  }
  for (const name of readdirSync('/run/netns').filter((each) => each.startsWith(`slw.${owner.host}.`)))
    execFileSync('ip', ['netns', 'del', name])
  for (const path of await machineCgroups())
    if (path.includes(`-slw.${owner.host}.`)) await removeCgroup(path)
  rmSync(folder, { recursive: true, force: true })
  return true
}

function ownerOf(folder: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, OWNER), 'utf8'))
  } catch {
    return undefined
  }
}

/** Those that name the folder or the host, and those whose root is made of the folder: daemons, and QEMUs in them. */
function processesOf(folder: string, host: string): readonly number[] {
  const roots = ['run', 'run/agent'].map((run) => inodeOf(join(folder, run, 'libvirtd/run')))
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      const line = read(`/proc/${pid}/cmdline`)
      if (line === '') return false
      if (line.includes(`${folder}/`) || line.includes(`${folder}\0`) || line.includes(`slw.${host}.`))
        return true
      const root = inodeOf(`/proc/${pid}/root/run/libvirt`)
      return root !== undefined && roots.includes(root)
    })
}

function inodeOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path)
    return `${dev} ${ino}`
  } catch {
    return undefined
  }
}

/** proc(5): the 22nd field of `stat`; undefined for a process that is gone, zombies included. */
function startOf(pid: number): string | undefined {
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')
  return fields === undefined || fields[0] === 'Z' || fields.length < 20 ? undefined : fields[19]
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
