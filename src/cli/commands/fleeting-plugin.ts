/** What `bin/fleeting-plugin-slipway` calls; a runner starts that, and ends it by go-plugin's own means. */
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { fleetingPlugin } from '../../fronts/index.ts'
import { SlipwayError } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { watchParent } from '../parent.ts'
import { top } from '../top.ts'
import { VERSION } from '../version.ts'

/** What a runner gives itself for its shutdown when it is not told otherwise. */
const TERM_GRACE_MS = 30_000

export async function main({ io, args }: Call): Promise<number> {
  const stop = new AbortController()
  let terminated = false
  const end = (): void => stop.abort(new SlipwayError('cancelled', { what: 'the plugin' }))
  // Whoever stops a runner may stop its processes, too. It needs its plugin until its last job is over and its last
  // machine given back, and then ends it.
  for (const name of ['SIGINT', 'SIGQUIT', 'SIGHUP'] as const) process.on(name, () => undefined)
  process.on('SIGTERM', () => {
    if (terminated) end()
    terminated = true
    setTimeout(end, TERM_GRACE_MS).unref()
  })
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
