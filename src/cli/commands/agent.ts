/** The agent's process, under systemd or as a child of `slipway up`. */
import { startAgent } from '../../agent/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { requireRoot } from '../root.ts'
import { stopSignal } from '../stop-signal.ts'
import { READY } from '../up/child.ts'
import { VERSION } from '../version.ts'

/** Machines outlive an agent that is started again; with its parent gone (`--while-stdin`) nothing is left. */
export async function main(call: Call): Promise<number> {
  requireRoot('the agent')
  const { io, config, options } = call
  await startAgent({
    configDir: config,
    version: VERSION,
    signal: stopSignal(call),
    ready: () => void io.print(`${READY}\n`),
    onStop: options.flag('whileStdin') ? 'destroy' : 'keep',
    log: (line) => void io.stderr.write(line),
  })
  return EXIT.ok
}
