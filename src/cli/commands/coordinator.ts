/** The coordinator's process, under systemd or as a child of `slipway up`. */
import { startCoordinator } from '../../coordinator/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { isRoot } from '../root.ts'
import { stopSignal } from '../stop-signal.ts'
import { READY } from '../up/child.ts'
import { becomeCoordinator } from '../up/users.ts'
import { VERSION } from '../version.ts'

/**
 * Never root: started as root it becomes its own user first. That it was loaded before lets it run from a checkout
 * that only root can read.
 */
export async function main(call: Call): Promise<number> {
  const { io, config } = call
  if (isRoot()) await becomeCoordinator()
  await startCoordinator({
    configDir: config,
    version: VERSION,
    signal: stopSignal(call),
    ready: () => void io.print(`${READY}\n`),
  })
  return EXIT.ok
}
