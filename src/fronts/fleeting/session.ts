/**
 * One life of the plugin as the runner sees it: Init opens the group, every other call needs it.
 *
 *   started ──Init──► open ──Shutdown, the runner's death, the group taken over──► over
 *      └──Init refused─┘ (may be tried again)
 */
import { networkInterfaces } from 'node:os'
import { type Client, connect } from '../../api/index.ts'
import { type Access, type Clock, SlipwayError } from '../../model/index.ts'
import { Group } from './group.ts'
import type { Env } from './handshake.ts'
import { failureFields, type Log } from './log.ts'
import { takeName } from './name-hold.ts'
import { type PluginConfig, readPluginConfig, readToken } from './plugin-config.ts'
import type { Answers } from './server.ts'
import { steady } from './steady.ts'
import { isOnThisHost, Tunnels } from './tunnel/index.ts'
import { keepVigil } from './vigil.ts'

export interface SessionParts {
  readonly env: Env
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  readonly newId: () => string
  /** Aborts with the plugin. */
  readonly signal: AbortSignal
  /** The group is another's now, or a bug ended the vigil. */
  readonly onLost: (error: unknown) => void
}

interface Open {
  readonly group: Group
  readonly tunnels: Tunnels
  readonly maxSize: number
  /** What Init was called with. */
  readonly asked: string
  readonly connector: Connector
}

type InitRequest = Parameters<Answers['init']>[0]
type Connector = Pick<
  NonNullable<NonNullable<InitRequest['settings']>['connectorConfig']>,
  'os' | 'arch' | 'keepalive' | 'timeout'
>

/** A coordinator that restarts is back long before; the runner gives Init a minute. */
const INIT_MS = 20_000
/** The runner asks again before a job when this is over: a machine that was lost meanwhile is not dialled. */
const ACCESS_LASTS_MS = 60_000
const NANOSECONDS_PER_S = 1_000_000_000n
const KEEPALIVE_DEFAULT = 30n * NANOSECONDS_PER_S
const TIMEOUT_DEFAULT = 600n * NANOSECONDS_PER_S

export function openSession(parts: SessionParts): Answers {
  let open: Open | undefined
  let opening: Promise<Open> | undefined
  const needed = (): Open => {
    if (open === undefined)
      throw new SlipwayError('bad_request', { detail: 'the runner has not called Init, or it failed' })
    return open
  }
  return {
    async init(request, signal) {
      const asked = request.config.toString('base64')
      if (open !== undefined && open.asked !== asked)
        throw new SlipwayError('bad_request', {
          detail: 'Init was called before, with another plugin_config',
        })
      opening ??= begin(parts, request, signal).finally(() => {
        opening = undefined
      })
      open ??= await opening
      const { maxSize, group } = open
      return { id: `slipway/${group.name}`, maxSize, version: parts.version, buildInfo: '' }
    },
    async update(signal) {
      const { group, tunnels } = needed()
      const list = await group.update(signal)
      tunnels.keep(list.filter(({ state }) => state === 'running').map(({ instance }) => instance))
      return list
    },
    increase: async ({ n }, signal) => ({ succeeded: await needed().group.increase(n, signal) }),
    async decrease({ instances }, signal) {
      const { group, tunnels } = needed()
      const succeeded = await group.decrease(instances, signal)
      tunnels.close(succeeded)
      return { succeeded }
    },
    async connectInfo({ instance }, signal) {
      const { connector, ...open } = needed()
      const { address, port, user, privateKey } = await reach(open, instance, signal)
      const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
      return {
        connector: {
          os: connector.os || 'linux',
          arch: connector.arch || archOf(process.arch),
          protocol: 'ssh',
          username: user,
          password: '',
          key: Buffer.from(privateKey.reveal()),
          useStaticCredentials: false,
          keepalive: connector.keepalive || KEEPALIVE_DEFAULT,
          timeout: connector.timeout || TIMEOUT_DEFAULT,
          protocolPort: BigInt(port),
        },
        internalAddr: at,
        externalAddr: at,
        expires: BigInt(Math.floor((parts.clock.wall() + ACCESS_LASTS_MS) / 1_000)),
      }
    },
    async heartbeat({ instance }, signal) {
      await needed().group.probe(instance, signal)
      return {}
    },
    // The leases stay: whoever is started next with the same name goes on with them, or they expire.
    async shutdown(_, signal) {
      await open?.group.shutdown(signal)
      return {}
    },
  }
}

async function begin(parts: SessionParts, request: InitRequest, signal: AbortSignal): Promise<Open> {
  const config = readPluginConfig(request.config, parts.env)
  const connector = request.settings?.connectorConfig
  checkConnector(connector)
  const token = await readToken(config)
  const client = connect(config.socket, token.reveal())
  const maxSize = await flavorLimit(
    config,
    steady(client, { clock: parts.clock, patienceMs: INIT_MS }),
    signal,
  )
  const hold = { client, clock: parts.clock, group: config.group, holder: parts.newId() }
  await takeName(hold, signal)
  const group = new Group({ ...parts, config, client })
  keepVigil({ ...parts, group, hold, ttlMs: config.ttlMs }, parts.signal).catch(parts.onLost)
  const { os = '', arch = '', keepalive = 0n, timeout = 0n } = connector ?? {}
  parts.log.info('the group is open', { group: config.group, flavor: config.flavor, max_size: maxSize })
  return {
    group,
    tunnels: openTunnels(parts, group),
    maxSize,
    asked: request.config.toString('base64'),
    connector: { os, arch, keepalive, timeout },
  }
}

/**
 * The way into the instance's machine. The runner checks no host key: a machine of this host it reaches itself, since
 * nobody stands between, and its jobs outlive a plugin that is killed; any other through a tunnel that checks the key.
 */
async function reach(
  { group, tunnels }: Pick<Open, 'group' | 'tunnels'>,
  instance: string,
  signal: AbortSignal,
): Promise<Access> {
  const [access, host] = await Promise.all([group.access(instance, signal), group.hostOf(instance, signal)])
  if (host !== undefined && isOnThisHost({ address: access.address, host }, networkInterfaces()))
    return access
  return { ...access, ...(await tunnels.to(instance, access)) }
}

function openTunnels({ log, signal }: SessionParts, group: Group): Tunnels {
  const onFailure = (instance: string, error: SlipwayError): void => {
    const fields = { instance, ...failureFields(error) }
    log.error('a connection to a machine failed', fields)
    if (error.code !== 'host_key_mismatch') return
    group
      .condemn(instance, signal)
      .catch((cause: unknown) => log.warn('its machine could not be given back', failureFields(cause)))
  }
  return new Tunnels({ restMs: ACCESS_LASTS_MS, signal, onFailure })
}

/** What the runner may set and machines do not have is refused, rather than found out job by job. */
function checkConnector(connector: NonNullable<InitRequest['settings']>['connectorConfig']): void {
  if (connector === undefined) return
  const refuse = (detail: string): never => {
    throw new SlipwayError('bad_config', { file: '[runners.autoscaler.connector_config]', detail })
  }
  if (connector.protocol !== '' && connector.protocol !== 'ssh') refuse('protocol: machines speak ssh only')
  if (connector.useStaticCredentials)
    refuse('use_static_credentials: each machine has a key of its own; leave it out')
}

/** How many machines the flavor may have: what the runner's max_instances is checked against. */
async function flavorLimit({ flavor }: PluginConfig, client: Client, signal: AbortSignal): Promise<number> {
  const { flavors } = await client.call('flavorList', { signal })
  const found = flavors.find(({ name }) => name === flavor)
  if (found !== undefined) return found.limit
  const known = flavors.map(({ name }) => name).join(', ')
  throw new SlipwayError('unknown_flavor', { flavor, known: known || 'none' })
}

/** Node's word for an architecture in Go's. */
const archOf = (arch: string): string => (arch === 'x64' ? 'amd64' : arch)
