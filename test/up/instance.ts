/** A Slipway of its own for a test: own configuration, directories and host name, started as a person starts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Reply } from '../../src/api/index.ts'
import { hullsIn } from '../../src/model/index.ts'
import { claim } from '../runner/leftovers.ts'

export const program = join(import.meta.dirname, '../../src/cli/main.ts')

export interface Paths {
  readonly folder: string
  /** `--config`. */
  readonly config: string
  readonly run: string
  readonly socket: string
  /** Part of the name of everything it makes on this machine. */
  readonly host: string
}

export interface InstanceOptions {
  readonly driver: 'simulated' | 'libvirt'
  /** Appended to the files. */
  readonly coordinatorToml?: string
  readonly agentToml?: string
  readonly images?: string
}

/** Folders and configuration under /tmp; nothing runs yet. */
export function layOut({ driver, coordinatorToml = '', agentToml = '', images }: InstanceOptions): Paths {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-up-'))
  // The coordinator's user must be able to pass.
  chmodSync(folder, 0o755)
  const run = join(folder, 'run')
  const host = `t${folder
    .slice(-6)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, 'x')}`
  const quoted = (path: string): string => JSON.stringify(join(folder, path))
  writeFileSync(
    join(folder, 'coordinator.toml'),
    `run = ${quoted('run')}\nstate = ${quoted('coordinator')}\n${coordinatorToml}`,
  )
  writeFileSync(
    join(folder, 'agent.toml'),
    `host = "${host}"\ndriver = "${driver}"\nstate = ${quoted('agent')}\nrun = ${quoted('run/agent')}\n` +
      `coordinator = ${quoted('run/agent.sock')}\nimages = ${JSON.stringify(images ?? join(folder, 'images'))}\n${agentToml}`,
  )
  claim(folder, host)
  return { folder, config: folder, run, socket: join(run, 'admin.sock'), host }
}

export const remove = ({ folder }: Paths): void => rmSync(folder, { recursive: true, force: true })

export interface Started {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** The first line it prints, or its end without one. */
  readonly firstLine: Promise<string | undefined>
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

/** `slipway …` from the sources. */
export function start(paths: Paths, args: readonly string[], env: Record<string, string> = {}): Started {
  const child = spawn(process.execPath, [program, '--config', paths.config, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...env },
  })
  const text = { stdout: '', stderr: '' }
  child.stderr.on('data', (chunk: Buffer) => {
    text.stderr += chunk
  })
  child.stdin.on('error', () => undefined)
  const first = Promise.withResolvers<string | undefined>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    text.stdout += `${line}\n`
    first.resolve(line)
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    first.resolve(undefined)
    return { code, signal }
  })
  return { child, stdout: () => text.stdout, stderr: () => text.stderr, firstLine: first.promise, ended }
}

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** One call, to its end, with nothing on its stdin. */
export async function call(paths: Paths, ...args: readonly string[]): Promise<Outcome> {
  const { child, stdout, stderr, ended } = start(paths, args)
  child.stdin?.end()
  const { code } = await ended
  return { code, stdout: stdout(), stderr: stderr() }
}

/** Pids of processes whose command line holds `words` in this order, one after another. */
export const pidsOf = (...words: readonly string[]): readonly number[] =>
  pids().filter((pid) => commandLine(pid).includes(`${words.join('\0')}\0`))

/** Command lines of all that runs for it: its own processes, its libvirtd, its machines. */
export const processesOf = ({ folder, host }: Paths): readonly string[] =>
  pids()
    .map(commandLine)
    .filter((line) => line.includes(folder) || line.includes(`slw.${host}.`))
    .map((line) => line.replaceAll('\0', ' ').slice(0, 200))

/** Machines with a QEMU, hulls included; not those that are booted to be frozen. */
export const guestsOf = (paths: Pick<Paths, 'host'>): readonly string[] =>
  qemus(paths).map(({ machine }) => machine)

/** Ids of the hulls that its host has in stock. */
export async function hullsOf(paths: Paths): Promise<readonly string[]> {
  const { stdout } = await call(paths, 'template', 'ls', '--json')
  const { templates }: Reply<'templateList'> = JSON.parse(stdout)
  return [...hullsIn(templates.map(({ template }) => template))]
}

/** Pid of the QEMU of this machine, or of its only one. */
export const qemuOf = (paths: Pick<Paths, 'host'>, machine?: string): number | undefined =>
  qemus(paths).find((one) => machine === undefined || one.machine === machine)?.pid

/** One that is booted to be frozen is none: it shares its memory with a file. */
const qemus = ({
  host,
}: Pick<Paths, 'host'>): readonly { readonly pid: number; readonly machine: string }[] =>
  pids().flatMap((pid) => {
    const line = commandLine(pid)
    const machine = line.split(`guest=slw.${host}.`)[1]?.split(',')[0]
    return machine === undefined || line.includes('"share":true') ? [] : [{ pid, machine }]
  })

const pids = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** Asks every 50 ms until `holds` gives something, or fails with `what` after `deadlineMs`. */
export async function eventually<T>(
  what: string,
  deadlineMs: number,
  holds: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const giveUpAt = performance.now() + deadlineMs
  for (;;) {
    const value = await holds()
    if (value !== undefined && value !== false) return value
    if (performance.now() > giveUpAt) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
