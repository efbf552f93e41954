/** Where the coordinator of this host answers, and a client of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, connect } from '../api/index.ts'
import { SlipwayError } from '../model/index.ts'
import type { Call } from './command.ts'

const RUN_DEFAULT = '/run/slipway'

/** The socket to speak to: the admin one, or with a runner's token the lease one. */
export async function socketOf(call: Pick<Call, 'config' | 'io'>): Promise<string> {
  const { SLIPWAY_SOCKET, SLIPWAY_TOKEN } = call.io.env
  if (SLIPWAY_SOCKET !== undefined) return SLIPWAY_SOCKET
  return join(await runDirectory(call.config), SLIPWAY_TOKEN === undefined ? 'admin.sock' : 'lease.sock')
}

/** A client of the coordinator; refuses with `socket_refused` what the file system refuses. */
export async function reach(call: Pick<Call, 'config' | 'io'>): Promise<Client> {
  const socket = await socketOf(call)
  const client = connect(socket, call.io.env.SLIPWAY_TOKEN)
  return {
    async call(name, options) {
      try {
        return await client.call(name, options)
      } catch (error) {
        throw isRefused(error) ? new SlipwayError('socket_refused', { socket }, { cause: error }) : error
      }
    },
  }
}

/** True where nothing listens: no coordinator runs for this configuration. */
export const isUnreachable = (error: unknown): boolean =>
  error instanceof SlipwayError && error.code === 'unreachable'

const isRefused = (error: unknown): boolean =>
  isUnreachable(error) && error instanceof Error && codeOf(error.cause) === 'EACCES'

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

/** The one key of `coordinator.toml` a client needs; its schema is the coordinator's, and too slow to load here. */
async function runDirectory(config: string): Promise<string> {
  const file = join(config, 'coordinator.toml')
  const text = readText(file)
  if (text === undefined) return RUN_DEFAULT
  const { parse } = await import('smol-toml')
  try {
    const { run } = parse(text)
    return typeof run === 'string' ? run : RUN_DEFAULT
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new SlipwayError('bad_config', { file, detail }, { cause })
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw new SlipwayError('bad_config', { file, detail: `it cannot be read (${codeOf(cause)})` }, { cause })
  }
}
