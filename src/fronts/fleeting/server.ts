/** What is served on the plugin's socket: gRPC, plain or in TLS as the runner asks. */

import type { ServerDuplexStream, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js'
import { type MethodDefinition, Server, ServerCredentials } from '@grpc/grpc-js'
import { SlipwayError } from '../../model/index.ts'
import { type Certificate, makeCertificate } from './certificate.ts'
import { handshakeLine, type Invitation } from './handshake.ts'
import { failureFields, type Log } from './log.ts'
import { rpcError } from './rpc-error.ts'
import { openSocket } from './socket.ts'
import { goPlugin, instanceGroup } from './wire/services.ts'

type Answer<M> =
  M extends MethodDefinition<infer In, infer Out> ? (request: In, signal: AbortSignal) => Promise<Out> : never
type Group = typeof instanceGroup
type Unary = Exclude<keyof Group, 'update'>
type Listed = Group['update'] extends MethodDefinition<infer _, infer Out> ? Out : never

/** What answers the runner. The signal says that it does not wait any more. */
export type Answers = { readonly [Name in Unary]: Answer<Group[Name]> } & {
  readonly update: (signal: AbortSignal) => Promise<readonly Listed[]>
}

export interface ServeOptions {
  readonly invitation: Invitation
  readonly answers: Answers
  readonly log: Log
  /** The runner is done with this plugin, or nobody is connected any more. */
  readonly onEnd: (why: string) => void
}

export interface Serving {
  /** To be printed: where the runner shall connect. */
  readonly line: string
  close(): void
}

/** What a runner sends is small: ids, and a `plugin_config`. */
const MESSAGE_BYTES_MAX = 1024 * 1024

/** Opens the socket. Throws `host_setup` where that fails. */
export async function serve({ invitation, answers, log, onEnd }: ServeOptions): Promise<Serving> {
  const grpc = new Server({ 'grpc.max_receive_message_length': MESSAGE_BYTES_MAX })
  const { clientCertificate } = invitation
  const certificate = clientCertificate === undefined ? undefined : makeCertificate()
  const connections = grpc.createConnectionInjector(credentials(clientCertificate, certificate))
  register(grpc, { answers, log, onEnd })
  const socket = await openSocket({
    parentFolder: invitation.socketFolder,
    onConnection: (connection) => connections.injectConnection(connection),
    onLonely: () => onEnd('no runner is connected'),
  })
  const own = certificate === undefined ? {} : { certificate: certificate.der }
  return {
    line: handshakeLine(invitation, { socket: socket.path, ...own }),
    close: () => {
      socket.close()
      grpc.forceShutdown()
      connections.destroy()
    },
  }
}

function credentials(client: string | undefined, own: Certificate | undefined): ServerCredentials {
  if (client === undefined || own === undefined) return ServerCredentials.createInsecure()
  const pair = { private_key: Buffer.from(own.privateKey), cert_chain: Buffer.from(own.pem) }
  return ServerCredentials.createSsl(Buffer.from(client), [pair], true)
}

function register(grpc: Server, { answers, log, onEnd }: Omit<ServeOptions, 'invitation'>): void {
  const { init, update, increase, decrease, connectInfo, heartbeat, shutdown } = instanceGroup
  unary(grpc, init, answers.init, log)
  list(grpc, update, answers.update, log)
  unary(grpc, increase, answers.increase, log)
  unary(grpc, decrease, answers.decrease, log)
  unary(grpc, connectInfo, answers.connectInfo, log)
  unary(grpc, heartbeat, answers.heartbeat, log)
  unary(grpc, shutdown, answers.shutdown, log)
  unary(grpc, goPlugin.health, async () => ({ status: 'SERVING' as const }), log)
  const goodbye = async (): Promise<object> => {
    // The answer goes out before the process ends.
    setImmediate(onEnd, 'the runner is done with it')
    return {}
  }
  unary(grpc, goPlugin.controller, goodbye, log)
  stayOpen(grpc, goPlugin.broker, 'bidi')
  stayOpen(grpc, goPlugin.stdio, 'serverStream')
}

function unary<In, Out>(
  grpc: Server,
  { path, responseSerialize, requestDeserialize }: MethodDefinition<In, Out>,
  answer: (request: In, signal: AbortSignal) => Promise<Out>,
  log: Log,
): void {
  const handle = (call: ServerUnaryCall<In, Out>, reply: sendUnaryData<Out>): void => {
    answer(call.request, cancelled(call)).then(
      (value) => reply(null, value),
      (error: unknown) => reply(told(error, path, log)),
    )
  }
  grpc.register(path, handle, responseSerialize, requestDeserialize, 'unary')
}

function list<In, Out>(
  grpc: Server,
  { path, responseSerialize, requestDeserialize }: MethodDefinition<In, Out>,
  answer: (signal: AbortSignal) => Promise<readonly Out[]>,
  log: Log,
): void {
  const handle = (call: ServerWritableStream<In, Out>): void => {
    answer(cancelled(call)).then(
      (items) => {
        for (const item of items) call.write(item)
        call.end()
      },
      (error: unknown) => call.emit('error', told(error, path, log)),
    )
  }
  grpc.register(path, handle, responseSerialize, requestDeserialize, 'serverStream')
}

/** Streams of go-plugin that say nothing here: its client wants them open for as long as the plugin lives. */
function stayOpen<In, Out>(
  grpc: Server,
  { path, responseSerialize, requestDeserialize }: MethodDefinition<In, Out>,
  type: 'bidi' | 'serverStream',
): void {
  const handle = (call: ServerDuplexStream<In, Out> | ServerWritableStream<In, Out>): void => {
    call.on('error', () => undefined)
    if (type === 'bidi') call.on('data', () => undefined).on('end', () => call.end())
  }
  grpc.register(path, handle, responseSerialize, requestDeserialize, type)
}

function cancelled(call: { on(event: 'cancelled', task: () => void): unknown }): AbortSignal {
  const controller = new AbortController()
  call.on('cancelled', () => controller.abort(new SlipwayError('cancelled', { what: 'the call' })))
  return controller.signal
}

function told(error: unknown, path: string, log: Log) {
  const call = path.slice(path.lastIndexOf('/') + 1)
  log.error(`${call} failed`, failureFields(error))
  return rpcError(error)
}
