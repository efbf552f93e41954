/**
 * A coordinator as a front sees it: the lease endpoints over a unix socket, with a test's hand on the state behind
 * them. It answers in the real schemas, so that a front which is content here is content there.
 */
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { endpoints, type LeaseView, type Reply } from '../../src/api/index.ts'
import { schemas } from '../../src/api/server.ts'
import {
  type ErrorCode,
  errorTable,
  type Failure,
  failureNext,
  failureText,
  parseId,
} from '../../src/model/index.ts'

type Access = Reply<'leaseAccess'>

export interface LeaseServerOptions {
  readonly socket: string
  readonly token: string
  /** Gives the way into a machine; called once a lease is granted. */
  readonly access: () => Access
}

export class LeaseServer {
  /** Grants at once unless a test says otherwise. */
  onAsk: (server: LeaseServer, name: string) => void = (server, name) => server.grant(name)
  /** What was called, in order: `leaseAsk gitlab-1-…`. */
  readonly calls: string[] = []
  readonly flavors: Reply<'flavorList'>['flavors'] = [
    {
      name: parseId('FlavorName', 'small'),
      image: 'tiny',
      vcpus: 1,
      memoryMiB: 256,
      diskGiB: 4,
      network: { allow: [] },
      limit: 10,
      idle: 0,
      idleMin: 0,
      idleAgeMsMax: 0,
      sharing: 'none',
      allowEmulation: true,
    },
  ]
  /** Live leases at most. */
  limit = 100
  readonly #leases = new Map<string, LeaseView>()
  readonly #changed = new EventEmitter().setMaxListeners(0)
  readonly #options: LeaseServerOptions
  #server: Server | undefined

  constructor(options: LeaseServerOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
    })
    server.listen(this.#options.socket)
    await once(server, 'listening')
    this.#server = server
  }

  /** As a coordinator that was killed: connections break, the socket refuses. */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
    rmSync(this.#options.socket, { force: true })
  }

  get names(): readonly string[] {
    return [...this.#leases.keys()]
  }

  lease(name: string): LeaseView | undefined {
    return this.#leases.get(name)
  }

  grant(name: string): void {
    this.#change(name, {
      state: 'granted',
      machine: parseId('MachineId', `m-${ulid()}`),
      host: parseId('HostId', 'h1'),
      timeline: [{ step: 'clone', atMs: 3 }],
    })
  }

  end(name: string, end: NonNullable<LeaseView['end']>, more: Partial<LeaseView> = {}): void {
    this.#change(name, { state: 'ended', end, ...more })
  }

  wait(name: string, waiting: NonNullable<LeaseView['waiting']>): void {
    this.#change(name, { waiting })
  }

  /** Resolves at the next call of `endpoint`. */
  async called(endpoint: string): Promise<void> {
    await once(this.#changed, endpoint)
  }

  #change(name: string, more: Partial<LeaseView>): void {
    const lease = this.#leases.get(name)
    if (lease === undefined) throw new Error(`no lease ${name}`)
    this.#leases.set(name, { ...lease, ...more })
    this.#changed.emit('change')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const reply = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    const refuse = (code: ErrorCode, args: Failure['args'] = {}): void => {
      const failure = { code, args }
      const { status } = errorTable[code]
      reply(status, { ...failure, message: failureText(failure), next: failureNext(failure) })
    }
    if (request.headers.authorization !== `Bearer ${this.#options.token}`) return refuse('unauthorized')
    const [endpoint, name] = route(request.method ?? '', url.pathname)
    this.calls.push(`${endpoint} ${name}`.trim())
    this.#changed.emit(endpoint)
    if (endpoint === 'leaseAsk') {
      const body = schemas.leaseAsk.body.parse(JSON.parse(await text(request)))
      const live = [...this.#leases.values()].filter(
        ({ name, state }) => name !== body.name && state !== 'ended',
      )
      if (live.length >= this.limit) return refuse('too_busy', { what: 'runner test', limit: this.limit })
      return reply(200, this.#ask(body))
    }
    if (endpoint === 'leaseList')
      return reply(200, { leases: [...this.#leases.values()].filter(({ state }) => state !== 'ended') })
    if (endpoint === 'flavorList') return reply(200, { flavors: this.flavors })
    if (endpoint === 'groupHold') {
      const { waitMs } = schemas.groupHold.body.parse(JSON.parse(await text(request)))
      await Promise.race([once(response, 'close'), delay(waitMs, undefined, { ref: false })])
      return reply(200, {})
    }
    const lease = this.#leases.get(name)
    if (lease === undefined) return refuse('not_found', { kind: 'lease', name })
    switch (endpoint) {
      case 'leaseGet': {
        const { waitMs = 0, state } = schemas.leaseGet.query.parse(Object.fromEntries(url.searchParams))
        return reply(200, await this.#settled(name, state, waitMs))
      }
      case 'leaseHeartbeat':
        return reply(200, lease)
      case 'leaseAccess':
        return lease.state === 'granted'
          ? reply(200, this.#options.access())
          : refuse('not_found', { kind: 'lease', name })
      case 'leaseRelease':
        if (lease.state !== 'ended') this.end(name, 'released')
        return reply(200, this.#leases.get(name) ?? lease)
      default:
        return refuse('not_found', { kind: 'endpoint', name: endpoint })
    }
  }

  #ask(body: ReturnType<typeof schemas.leaseAsk.body.parse>): LeaseView {
    const known = this.#leases.get(body.name)
    if (known !== undefined && known.state !== 'ended') return known
    const lease = {
      ...body,
      id: parseId('LeaseId', `l-${ulid()}`),
      runner: 'test',
      trustDomain: parseId('TrustDomain', 'test'),
      state: 'waiting' as const,
      askedAtMs: 0,
      waiting: { position: 1, making: 0 },
    }
    this.#leases.set(body.name, lease)
    this.onAsk(this, body.name)
    return this.#leases.get(body.name) ?? lease
  }

  async #settled(name: string, state: LeaseView['state'] | undefined, waitMs: number): Promise<object> {
    const untilMs = performance.now() + waitMs
    for (;;) {
      const lease = this.#leases.get(name)
      const leftMs = untilMs - performance.now()
      if (lease === undefined || lease.state !== state || leftMs <= 0) return lease ?? {}
      await once(this.#changed, 'change', { signal: AbortSignal.timeout(Math.ceil(leftMs)) }).catch(
        () => undefined,
      )
    }
  }
}

const ulid = (): string => Array.from(randomBytes(26), (byte) => LETTERS[byte % LETTERS.length]).join('')
const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'

function route(method: string, path: string): readonly [endpoint: string, name: string] {
  for (const [name, endpoint] of Object.entries(endpoints)) {
    const pattern = new RegExp(`^${endpoint.path.replace(/:\w+/, '([^/]+)')}$`)
    const found = pattern.exec(path)
    if (endpoint.method === method && found !== null) return [name, found[1] ?? '']
  }
  return [`${method} ${path}`, '']
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
