/** How this program is started again, in source and bundled form alike. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'

/** Starts `slipway …args` in a session of its own, so that a terminal's Ctrl-C reaches only whom it is meant for. */
export function spawnSelf(args: readonly string[], stdio: SpawnOptions['stdio']): ChildProcess {
  const program = process.argv[1] ?? ''
  return spawn(process.execPath, [...process.execArgv, program, ...args], {
    stdio: stdio ?? 'inherit',
    detached: true,
  })
}
