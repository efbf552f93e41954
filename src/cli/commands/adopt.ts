import { adopt } from '../../agent/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { requireRoot } from '../root.ts'

/** Makes this host forget whom it obeys; refused while its agent runs. */
export async function main(call: Call): Promise<number> {
  requireRoot('slipway adopt')
  await adopt({ configDir: call.config })
  call.io.print('this host obeys the next coordinator that greets its agent\n')
  return EXIT.ok
}
