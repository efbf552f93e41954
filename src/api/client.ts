/**
 * The API's client over a unix socket. `node:http` and types only: it is on the path of every command, where each
 * import costs start-up time.
 */
import { request } from 'node:http'
import type { z } from 'zod'
import { type ErrorArgs, type ErrorCode, errorTable, SlipwayError } from '../model/index.ts'
import { type EndpointName, endpoints } from './endpoints.ts'
import type { Schemas } from './schemas.ts'

type In<Name extends EndpointName, Part extends 'params' | 'query' | 'body'> = z.input<Schemas[Name][Part]>
/** A part that may stay empty may be left out. */
type Part<Name extends EndpointName, P extends 'params' | 'query' | 'body'> =
  Record<string, never> extends In<Name, P>
    ? { readonly [K in P]?: In<Name, P> }
    : { readonly [K in P]: In<Name, P> }
export type CallOptions<Name extends EndpointName> = Part<Name, 'params'> &
  Part<Name, 'query'> &
  Part<Name, 'body'> & { readonly signal?: AbortSignal }
export type Reply<Name extends EndpointName> = z.output<Schemas[Name]['reply']>

export interface Client {
  /** Calls one endpoint; throws the `SlipwayError` the server answered, or `unreachable`. */
  call<Name extends EndpointName>(name: Name, options: CallOptions<Name>): Promise<Reply<Name>>
}

/** A client of the coordinator behind `socket`; `token` is needed on the lease socket. */
export function connect(socket: string, token?: string): Client {
  return {
    async call(name, options) {
      const { method, path } = endpoints[name]
      const parts: { params?: object; query?: object; body?: object; signal?: AbortSignal } = options
      const reply = await send({
        socket,
        method,
        path: fillPath(path, parts.params ?? {}) + queryText(parts.query ?? {}),
        ...(method === 'POST' ? { body: JSON.stringify(parts.body ?? {}) } : {}),
        ...(token === undefined ? {} : { token }),
        ...(parts.signal === undefined ? {} : { signal: parts.signal }),
      })
      const value: unknown = parse(reply.text, socket)
      if (reply.status >= 300) throw problemError(value)
      return value as Reply<typeof name>
    },
  }
}

interface Sent {
  readonly socket: string
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly token?: string
  readonly signal?: AbortSignal
}

function send(sent: Sent): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath: sent.socket,
        method: sent.method,
        path: sent.path,
        ...(sent.signal ? { signal: sent.signal } : {}),
        headers: {
          ...(sent.body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent.body) }),
          ...(sent.token === undefined ? {} : { authorization: `Bearer ${sent.token}` }),
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', fail)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        )
      },
    )
    const fail = (error: Error): void => {
      if (sent.signal?.aborted) reject(sent.signal.reason)
      else reject(new SlipwayError('unreachable', { socket: sent.socket }, { cause: error }))
    }
    call.on('error', fail)
    call.end(sent.body)
  })
}

function parse(text: string, socket: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new SlipwayError('unreachable', { socket }, { cause })
  }
}

function problemError(value: unknown): SlipwayError {
  const { code, args } = (value ?? {}) as { code?: string; args?: ErrorArgs }
  if (code !== undefined && code in errorTable) return new SlipwayError(code as ErrorCode, args ?? {})
  return new SlipwayError('bad_request', { detail: JSON.stringify(value).slice(0, 200) })
}

function fillPath(path: string, params: object): string {
  const values: Record<string, unknown> = { ...params }
  return path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(values[name])))
}

function queryText(query: object): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value))
  return search.size === 0 ? '' : `?${search}`
}
