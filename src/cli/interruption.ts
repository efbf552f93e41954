import { SlipwayError } from '../model/index.ts'
import { EXIT } from './exit.ts'

/** npm passes on the Ctrl-C that the terminal has sent to us as well: signals this close are one. */
const ONE_MS = 500

/** Aborts at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController()
  let firstAt = Number.NaN
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (!controller.signal.aborted) {
        firstAt = performance.now()
        controller.abort(new SlipwayError('cancelled', { what: 'the command' }))
      } else if (performance.now() - firstAt > ONE_MS) process.exit(EXIT.interrupted)
    })
  }
  return controller.signal
}
