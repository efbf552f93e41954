/** The plugin's process from its arguments to its exit code. */
import type { Writable } from 'node:stream'
import { SlipwayError, systemClock } from '../../model/index.ts'
import { type Env, isInvited, readInvitation } from './handshake.ts'
import { failureFields, makeLog } from './log.ts'

export interface PluginCall {
  readonly env: Env
  /** `serve` when empty, `version`, or `bootstrap REPOSITORY`. */
  readonly args: readonly string[]
  readonly stdout: Writable
  readonly stderr: Writable
  /** Aborts when the plugin shall end: its runner is dead, or says so. */
  readonly signal: AbortSignal
  readonly version: string
  /** Path of `fleeting-plugin-slipway` as it is installed. */
  readonly program: string
}

/** Runs the plugin and gives its exit code. Throws what a person who called it should read. */
export async function fleetingPlugin(call: PluginCall): Promise<number> {
  const [verb = 'serve', ...rest] = call.args
  switch (verb) {
    case 'serve':
      return servePlugin(call)
    case 'version':
      call.stdout.write(`fleeting-plugin-slipway ${call.version}\n`)
      return 0
    case 'bootstrap': {
      const { bootstrap } = await import('./bootstrap.ts')
      call.stdout.write(`${await bootstrap({ ...call, repository: rest[0] })}\n`)
      return 0
    }
    default:
      throw new SlipwayError('bad_request', {
        detail: `fleeting-plugin-slipway knows serve, version and bootstrap, not ${verb.slice(0, 40)}`,
      })
  }
}

async function servePlugin({ env, stdout, stderr, signal, version }: PluginCall): Promise<number> {
  const log = makeLog(stderr, systemClock.wall)
  try {
    const invitation = readInvitation(env)
    // gRPC is loaded once a runner is there for it.
    const [{ serve }, { openSession }, { monotonicFactory }] = await Promise.all([
      import('./server.ts'),
      import('./session.ts'),
      import('ulid'),
    ])
    const ulid = monotonicFactory()
    const ended = Promise.withResolvers<number>()
    const over = new AbortController()
    const inner = AbortSignal.any([signal, over.signal])
    const end = (why: string, code: number): void => {
      log.info('the plugin ends', { why })
      over.abort(new SlipwayError('cancelled', { what: 'the plugin' }))
      ended.resolve(code)
    }
    const answers = openSession({
      env,
      clock: systemClock,
      log,
      version,
      newId: () => ulid().toLowerCase(),
      signal: inner,
      onLost: (error) => {
        log.error('the group is lost', failureFields(error))
        end('the group is lost', 1)
      },
    })
    const serving = await serve({ invitation, answers, log, onEnd: (why) => end(why, 0) })
    const stop = (): void => end('its runner is gone, or stopped it', 0)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    stdout.on('error', () => end('nobody reads its output', 1))
    stdout.write(serving.line)
    try {
      return await ended.promise
    } finally {
      serving.close()
    }
  } catch (error) {
    // A runner reads lines of its log; a person who called us reads what the command line says.
    if (!isInvited(env)) throw error
    log.error('the plugin does not start', failureFields(error))
    return 1
  }
}
