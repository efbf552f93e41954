/**
 * Every endpoint by name: method, path, who may call it. Values only, no schema library: the command line loads this
 * file on every start. `schemas.ts` holds the shapes under the same names; the server must implement all of them.
 */

/** `lease`: any valid token, on either socket. `admin`: the admin socket only. */
export type Scope = 'lease' | 'admin'

interface Endpoint {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** `:name` marks a parameter. */
  readonly path: `/v1/${string}`
  readonly scope: Scope
}

export const endpoints = {
  health: { method: 'GET', path: '/v1/health', scope: 'lease' },
  leaseAsk: { method: 'POST', path: '/v1/leases', scope: 'lease' },
  /** `?waitMs=` long-polls until the state differs from `?state=`. */
  leaseGet: { method: 'GET', path: '/v1/leases/:lease', scope: 'lease' },
  leaseAccess: { method: 'GET', path: '/v1/leases/:lease/access', scope: 'lease' },
  leaseHeartbeat: { method: 'POST', path: '/v1/leases/:lease/heartbeat', scope: 'lease' },
  leaseRelease: { method: 'DELETE', path: '/v1/leases/:lease', scope: 'lease' },
  leaseExplain: { method: 'GET', path: '/v1/leases/:lease/explain', scope: 'lease' },
  leaseList: { method: 'GET', path: '/v1/leases', scope: 'lease' },
  /** Keeps a group's name for the caller while the call is open; see `src/coordinator/groups.ts`. */
  groupHold: { method: 'POST', path: '/v1/groups/:group/hold', scope: 'lease' },
  flavorList: { method: 'GET', path: '/v1/flavors', scope: 'lease' },
  machineList: { method: 'GET', path: '/v1/machines', scope: 'admin' },
  machineGet: { method: 'GET', path: '/v1/machines/:machine', scope: 'admin' },
  machineAccess: { method: 'GET', path: '/v1/machines/:machine/access', scope: 'admin' },
  machineRemove: { method: 'DELETE', path: '/v1/machines/:machine', scope: 'admin' },
  machineLog: { method: 'GET', path: '/v1/machines/:machine/log', scope: 'admin' },
  hostList: { method: 'GET', path: '/v1/hosts', scope: 'admin' },
  templateList: { method: 'GET', path: '/v1/templates', scope: 'admin' },
  /** Its successor is built when there is room; until then it serves. */
  templateRebuild: { method: 'POST', path: '/v1/templates/:template/rebuild', scope: 'admin' },
  /** Refused while machines live on it. */
  templateRemove: { method: 'DELETE', path: '/v1/templates/:template', scope: 'admin' },
  audit: { method: 'GET', path: '/v1/audit', scope: 'admin' },
  tokenCreate: { method: 'POST', path: '/v1/tokens', scope: 'admin' },
  tokenList: { method: 'GET', path: '/v1/tokens', scope: 'admin' },
  tokenRevoke: { method: 'DELETE', path: '/v1/tokens/:runner', scope: 'admin' },
} as const satisfies Record<string, Endpoint>

export type EndpointName = keyof typeof endpoints

export const endpointNames = Object.keys(endpoints).filter((name): name is EndpointName => name in endpoints)

/** A machine's live console: a WebSocket on the admin socket, binary frames both ways. */
export const CONSOLE_PATH = '/v1/machines/:machine/console'

/** What of this is in the OpenAPI format, for whoever does not read TypeScript; on the admin socket. */
export const OPENAPI_PATH = '/openapi.json'

/** Where agents dial in, on a socket of their own. */
export const AGENT_PATH = '/v1/agent'
export const AGENT_STREAM_PATH = '/v1/agent/streams/:stream'
