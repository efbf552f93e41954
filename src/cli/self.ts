/** How this program is started again, in source and bundled form alike. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { join, relative } from 'node:path'
import { top } from './top.ts'

/**
 * For what runs for months: V8 lets the young generation of a busy process grow to 16 MiB a half, which is 25 MiB more
 * resident and buys nothing here (measured over 2,000 leases: 139 against 104 MiB). And it lets the old one grow to a
 * multiple of what lives in it before it looks: the agent's 14 MB became 131 resident, and are 99 so (bench/memory.ts).
 */
const FRUGAL: readonly string[] = ['--max-semi-space-size=2', '--optimize-for-size']

export interface SelfOptions {
  readonly args: readonly string[]
  readonly stdio: SpawnOptions['stdio']
  /** A folder under which the child sees this installation, for it alone, and from which it runs. */
  readonly mountedOn?: string
}

/** Starts `slipway …args` in a session of its own, so that a terminal's Ctrl-C reaches only whom it is meant for. */
export function spawnSelf({ args, stdio, mountedOn }: SelfOptions): ChildProcess {
  const options: SpawnOptions = { stdio: stdio ?? 'inherit', detached: true }
  const flags = [...process.execArgv.filter((flag) => !FRUGAL.includes(flag)), ...FRUGAL]
  const program = process.argv[1] ?? ''
  if (mountedOn === undefined) return spawn(process.execPath, [...flags, program, ...args], options)
  const moved = join(mountedOn, relative(top(), program))
  const command = [process.execPath, ...flags, moved, ...args]
  return spawn('unshare', ['--mount', '--', 'sh', '-c', MOUNT_AND_RUN, top(), mountedOn, ...command], options)
}

/** $0 is mounted on $1 in the child's own mount namespace; each step replaces the last, so that the pid stays. */
const MOUNT_AND_RUN = 'mount --rbind "$0" "$1" && shift && exec "$@"'
