/** The API over HTTP: one server a socket, each with the endpoints of its scope and nothing else. */
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { type EndpointName, endpointNames, endpoints, OPENAPI_PATH, type Scope } from '../../api/index.ts'
import { openApi, schemas } from '../../api/server.ts'
import { type Failure, SlipwayError } from '../../model/index.ts'
import type { Caller } from '../callers.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Log } from '../ports.ts'
import type { Handlers } from './handlers.ts'
import { badRequest, failureOf, problemOf, statusOf } from './problem.ts'
import type { Visit, Visits } from './visits.ts'

export const BODY_BYTES_MAX = 64 * 1024
const HEADER_BYTES_MAX = 16 * 1024
/** For a request to come in whole; an answer may take longer. */
const REQUEST_MS_MAX = 10_000
const IDLE_CONNECTION_MS = 65_000
/** Each long-poll holds one. */
export const CONNECTIONS_MAX = 4_096
/** Chars of one path parameter: the longest name an endpoint knows. */
const PARAM_CHARS_MAX = 128

export interface HttpOptions {
  readonly scope: Scope
  readonly coordinator: Coordinator
  readonly handlers: Handlers
  readonly visits: Visits
  readonly log: Log
}

/** `lease` serves the lease endpoints to holders of a token; `admin` serves all to whoever can open the socket. */
export function makeHttp({ log, ...options }: HttpOptions): FastifyInstance {
  const app = makeServer(log)
  const { scope, coordinator } = options
  for (const name of endpointNames) {
    if (scope === 'admin' || endpoints[name].scope === 'lease') route(app, name, options)
  }
  if (scope === 'admin') {
    let described: string | undefined
    app.get(OPENAPI_PATH, (_, reply) => {
      described ??= JSON.stringify(openApi(coordinator.health().version))
      return reply.type('application/json; charset=utf-8').send(described)
    })
  }
  return app
}

/** A server with Slipway's limits and answers, and no endpoint yet. */
export function makeServer(log: Log): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAM_CHARS_MAX },
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: REQUEST_MS_MAX },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => {
      // No hook runs after this, and an upgrade that was refused here would keep its socket for ever.
      reply.raw.once('finish', () => request.raw.socket.destroySoon())
      refuse(reply, badRequest(error.message))
    },
  })
  app.server.maxConnections = CONNECTIONS_MAX
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler((error, _, reply) => {
    const failure = failureOf(error, { bodyBytesMax: BODY_BYTES_MAX }) ?? bug(error, log)
    return refuse(reply, failure)
  })
  app.setNotFoundHandler(({ method, url }, reply) => {
    const name = `${method} ${url}`.slice(0, PARAM_CHARS_MAX)
    return refuse(reply, { code: 'not_found', args: { kind: 'endpoint', name } })
  })
  return app
}

function route<Name extends EndpointName>(
  app: FastifyInstance,
  name: Name,
  { scope, coordinator, handlers, visits }: Omit<HttpOptions, 'log'>,
): void {
  const { method, path } = endpoints[name]
  const { params, query, body, reply } = schemas[name]
  app.route({
    method,
    url: path,
    schema: {
      params,
      querystring: query,
      ...(method === 'POST' ? { body } : {}),
      response: { 200: reply },
    },
    onRequest: async (request, response) => {
      const visit = visits.enter(callerOf(request, { scope, coordinator }))
      response.raw.once('close', visit.leave)
      visitOf.set(request, visit)
    },
    preValidation: async (request) => {
      request.body ??= {}
    },
    handler: async (request, response) => {
      const visit = visitOf.get(request)
      if (!visit) throw new SlipwayError('unauthorized')
      const { caller, revoked } = visit
      const signal = AbortSignal.any([goneSignal(response), revoked])
      const { params, query, body } = request
      // The schemas above have parsed all three: this is the edge where they get their types.
      const call = { caller, params, query, body, signal } as Parameters<Handlers[Name]>[0]
      try {
        return await handlers[name](call as never)
      } finally {
        revoked.throwIfAborted()
      }
    },
  })
}

const visitOf = new WeakMap<FastifyRequest, Visit>()

function callerOf(
  request: FastifyRequest,
  { scope, coordinator }: Pick<HttpOptions, 'scope' | 'coordinator'>,
): Caller {
  const { authorization } = request.headers
  if (authorization === undefined && scope === 'admin') return coordinator.caller(undefined)
  const token = /^Bearer ([\x21-\x7e]{1,256})$/.exec(authorization ?? '')?.[1]
  if (token === undefined) throw new SlipwayError('unauthorized')
  return coordinator.caller(token)
}

/** Aborts when the client goes away before it has its answer. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort()
  })
  return gone.signal
}

const refuse = (reply: FastifyReply, failure: Failure): FastifyReply =>
  reply
    .code(statusOf(failure))
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(problemOf(failure))

/** Something we did not foresee: told apart from what was refused, and logged with its stack. */
function bug(error: unknown, log: Log): Failure {
  log.error({ err: error }, 'bug')
  return { code: 'internal', args: {} }
}

/** What is no HTTP, or has too large a head, or comes too slowly. */
function refuseConnection(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(
    problemOf(badRequest(`it is no valid HTTP request (${error.code ?? 'unknown'})`)),
  )
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`)
}
