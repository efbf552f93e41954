import { SlipwayError } from '../model/index.ts'
import { EXIT } from './exit.ts'

/** Aborts at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(EXIT.interrupted)
      controller.abort(new SlipwayError('cancelled', { what: 'the command' }))
    })
  }
  return controller.signal
}
