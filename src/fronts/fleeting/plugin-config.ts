/** `plugin_config` of `[runners.autoscaler]`: what the operator says of a group of machines. */
import { join } from 'node:path'
import { z } from 'zod'
import { type FlavorName, idPattern, parseId, type Secret, SlipwayError } from '../../model/index.ts'
import { readTokenFile } from '../token-file.ts'
import type { Env } from './handshake.ts'

export interface PluginConfig {
  readonly flavor: FlavorName
  /** Another image than the flavor's own. */
  readonly image?: string
  /** Names the group: its machines are found again under it, by this plugin's successor too. */
  readonly group: string
  /** The coordinator's lease socket. */
  readonly socket: string
  readonly tokenFile: string
  /** How long machines outlive a runner that died, for its successor to take them over. */
  readonly ttlMs: number
}

const BYTES_MAX = 64 * 1024
const SOCKET_DEFAULT = '/run/slipway/lease.sock'
const CONFIG_DEFAULT = '/etc/slipway'
const TOKEN_NAME = 'gitlab.token'
/** A runner under systemd is started again after two minutes. */
const TTL_S_DEFAULT = 180
const PROBLEMS_SHOWN_MAX = 5
const PROBLEM_CHARS_MAX = 400

const absolute = z
  .string()
  .max(4096)
  .regex(/^\/[^\0]*$/, 'must be an absolute path')
const shape = z.strictObject({
  flavor: z
    .string('is missing: which flavor of coordinator.toml')
    .regex(idPattern('FlavorName'), 'must be a flavor of coordinator.toml'),
  image: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be the name of an image')
    .optional(),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be up to 63 of a-z, 0-9, "-" and "_"')
    .optional(),
  socket: absolute.default(SOCKET_DEFAULT),
  token_file: absolute.optional(),
  ttl_s: z.int().min(10).max(86_400).default(TTL_S_DEFAULT),
})

/** `json` as the runner sends it; throws `bad_config`, which names every wrong key. */
export function readPluginConfig(json: Buffer, env: Env): PluginConfig {
  if (json.length > BYTES_MAX)
    throw new SlipwayError('too_large', { what: 'plugin_config', limitBytes: BYTES_MAX })
  const parsed = shape.safeParse(parse(json))
  if (!parsed.success) refuse(problems(parsed.error))
  const { flavor, image, name, socket, token_file: tokenFile, ttl_s: ttlS } = parsed.data
  return {
    flavor: parseId('FlavorName', flavor),
    group: name ?? flavor.replaceAll('.', '-'),
    socket,
    tokenFile: tokenFile ?? join(env.SLIPWAY_CONFIG || CONFIG_DEFAULT, TOKEN_NAME),
    ttlMs: ttlS * 1_000,
    ...(image === undefined ? {} : { image }),
  }
}

/** The token of the runner; throws `bad_config`. */
export const readToken = ({ tokenFile }: PluginConfig): Promise<Secret<string>> =>
  readTokenFile(tokenFile, (detail) =>
    refuse(`${detail}; make one with \`slipway token create NAME > ${tokenFile}\`, for the runner's user`),
  )

/** No section in the runner's configuration is an empty message. */
function parse(json: Buffer): unknown {
  if (json.length === 0) return {}
  try {
    return JSON.parse(json.toString())
  } catch {
    return refuse('it is no JSON')
  }
}

function problems({ issues }: z.ZodError): string {
  const shown = issues
    .slice(0, PROBLEMS_SHOWN_MAX)
    .map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`)
  const more = issues.length - shown.length
  const text = shown.join('; ').slice(0, PROBLEM_CHARS_MAX)
  return `${text}${more > 0 ? `; and ${more} more` : ''}`
}

function refuse(detail: string): never {
  throw new SlipwayError('bad_config', { file: 'plugin_config', detail })
}
