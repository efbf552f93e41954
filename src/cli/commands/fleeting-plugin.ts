/** What `bin/fleeting-plugin-slipway` calls; a runner starts that, and ends it by go-plugin's own means. */
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { fleetingPlugin } from '../../fronts/index.ts'
import { SlipwayError } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { watchParent } from '../parent.ts'
import { top } from '../top.ts'
import { VERSION } from '../version.ts'

export async function main({ io, args }: Call): Promise<number> {
  const stop = new AbortController()
  const end = (): void => stop.abort(new SlipwayError('cancelled', { what: 'the plugin' }))
  // A terminal's Ctrl-C is for the runner, which needs its plugin until the last job is over.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', end).on('SIGHUP', end)
  const unwatch = watchParent({}, end)
  try {
    return await fleetingPlugin({
      env: io.env,
      args,
      stdout: io.stdout as Writable,
      stderr: io.stderr as Writable,
      signal: stop.signal,
      version: VERSION,
      program: join(top(), 'bin/fleeting-plugin-slipway'),
    })
  } finally {
    unwatch()
  }
}
