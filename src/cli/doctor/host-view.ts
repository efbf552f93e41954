/** The real host under the checks. Everything is bounded: a doctor must not hang on a sick host. */
import { execFile } from 'node:child_process'
import { readFile, stat, statfs } from 'node:fs/promises'
import type { Call } from '../command.ts'
import { reach } from '../reach.ts'
import { isRoot } from '../root.ts'
import type { HostView } from './check.ts'
import { readConfiguration } from './configuration.ts'

const RUN_DEADLINE_MS = 10_000
const OUTPUT_BYTES_MAX = 256 * 1024
const MIB = 1024 * 1024

export async function hostView(call: Pick<Call, 'config' | 'io'>): Promise<HostView> {
  const users = names(await text('/etc/passwd'))
  const groups = names(await text('/etc/group'))
  let found: Promise<Found | undefined> | undefined
  const facts = (): Promise<Found | undefined> => {
    found ??= findOut(call)
    return found
  }
  return {
    configuration: await readConfiguration(call.config),
    root: isRoot(),
    acceleration: async () => (await facts())?.acceleration,
    cloning: async () => (await facts())?.cloning,
    read: text,
    run,
    async stat(path) {
      try {
        const { mode, uid, gid } = await stat(path)
        const owner = users.get(uid) ?? String(uid)
        return { mode: (mode & 0o7777).toString(8), owner, group: groups.get(gid) ?? String(gid) }
      } catch {
        return undefined
      }
    },
    async freeMiB(path) {
      try {
        const { bavail, bsize } = await statfs(await existing(path))
        return Math.floor((bavail * bsize) / MIB)
      } catch {
        return undefined
      }
    },
  }
}

async function text(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch {
    return undefined
  }
}

/** sbin is not on everybody's path, but its programs' versions are everybody's to ask. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`

function run(program: string, ...args: readonly string[]): ReturnType<HostView['run']> {
  return new Promise((resolve) => {
    const options = { timeout: RUN_DEADLINE_MS, maxBuffer: OUTPUT_BYTES_MAX, env: { ...process.env, PATH } }
    execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') return resolve(undefined)
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1
      resolve({ code, text: `${stdout}${stderr}`.trim() })
    })
  })
}

/** The nearest folder above that is there: where one would be made. */
async function existing(path: string): Promise<string> {
  for (let at = path; at !== '/'; at = at.slice(0, at.lastIndexOf('/')) || '/') {
    if (await stat(at).catch(() => undefined)) return at
  }
  return '/'
}

/** passwd(5), group(5): number → name. */
const names = (table: string | undefined): ReadonlyMap<number, string> =>
  new Map((table ?? '').split('\n').map((line) => [Number(line.split(':')[2]), line.split(':')[0] ?? '']))

interface Found {
  readonly acceleration: Awaited<ReturnType<HostView['acceleration']>>
  readonly cloning: Awaited<ReturnType<HostView['cloning']>>
}

/** A running agent has tried already; else the driver tries now. */
async function findOut(call: Pick<Call, 'config' | 'io'>): Promise<Found | undefined> {
  const { signal } = call.io
  const client = await reach(call)
  const answer = await client.call('hostList', { signal }).catch(() => undefined)
  const facts = answer?.hosts.find((host) => host.connected)?.facts
  if (facts !== undefined) {
    const evidence = `the running agent of ${facts.host} found ${facts.acceleration}`
    return { acceleration: { kind: facts.acceleration, evidence }, cloning: facts.cloning }
  }
  if (!isRoot()) return undefined
  const { probeHost } = await import('../../agent/index.ts')
  const { acceleration: kind, evidence, cloning } = await probeHost({ configDir: call.config, signal })
  return { acceleration: { kind, evidence }, cloning }
}
