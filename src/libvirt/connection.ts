import { LibvirtConnectionError } from './error.ts'
import { dispatchEvent, type EventListeners, wantedEventIds } from './event.ts'
import { procedures, streams } from './generated/protocol.ts'
import { KEEP_ALIVE_DEFAULT, type KeepAliveOptions } from './keep-alive.ts'
import { type Row, Rpc } from './rpc.ts'
import { connectSocket } from './socket.ts'
import type { LibvirtStream } from './stream.ts'
import type { Infer } from './xdr/index.ts'

export type Procedure = keyof typeof procedures
export type StreamProcedure = keyof typeof streams
export type Arguments<P extends Procedure> = Infer<(typeof procedures)[P]['args']>
export type Reply<P extends Procedure> = Infer<(typeof procedures)[P]['reply']>
export type StreamArguments<P extends StreamProcedure> = Infer<(typeof streams)[P]['args']>

export interface CallOptions {
  /** Gives the call up with the signal's reason. A call that was sent may still be executed by libvirtd. */
  readonly signal?: AbortSignal | undefined
  /** Gives the call up with `CALL_TIMEOUT`; counts from the call, waiting for its turn included. */
  readonly timeoutMs?: number | undefined
}

/** Whatever calls can be made on: a connection, or one that comes back by itself. */
export interface Caller {
  /**
   * Calls a procedure of the protocol table. Errors: `LibvirtError` (libvirtd refused),
   * `LibvirtConnectionError` (no answer), `LibvirtProtocolError` (arguments or reply do not fit),
   * or the reason of `signal`.
   */
  call<P extends Procedure>(procedure: P, args: Arguments<P>, options?: CallOptions): Promise<Reply<P>>
  /**
   * Calls a procedure that leaves a stream open; `options.signal` governs the stream's whole life,
   * aborting it later destroys the stream. Errors as for `call`.
   */
  openStream<P extends StreamProcedure>(
    procedure: P,
    args: StreamArguments<P>,
    options?: CallOptions,
  ): Promise<LibvirtStream>
}

export interface ConnectionOptions {
  /** For example `/run/libvirt/libvirt-sock`. */
  readonly socketPath: string
  /** The driver behind it: `qemu:///system`, `test:///default`. */
  readonly uri: string
  /** Gives up opening. An open connection is ended by `close`. */
  readonly signal?: AbortSignal | undefined
  /** For socket, authentication and opening together. */
  readonly openTimeoutMs?: number | undefined
  /** libvirtd is asked for exactly the events listened to here. */
  readonly on?: EventListeners | undefined
  readonly keepAlive?: KeepAliveOptions | undefined
  /**
   * Calls sent and not yet answered; more wait here. Must stay below libvirtd's `max_client_requests`
   * (5 unless configured), else libvirtd stops reading and with it answering pings.
   */
  readonly inFlightMax?: number | undefined
}

const OPEN_TIMEOUT_MS = 10_000
const CALL_TIMEOUT_MS = 120_000
const CLOSE_TIMEOUT_MS = 1_000
const IN_FLIGHT_MAX = 4
const AUTH_NONE = 0
/** VIR_DRV_FEATURE_PROGRAM_KEEPALIVE: asked before opening, it also makes libvirtd ping us. */
const FEATURE_KEEPALIVE = 10

/** The tables again, row by row in terms of their names, so that a generic call keeps its types. */
const CALLS: { readonly [P in Procedure]: Row<Arguments<P>, Reply<P>> } = procedures
const STREAMS: { readonly [P in StreamProcedure]: Row<StreamArguments<P>, unknown> } = streams

/** One connection to libvirtd over its unix socket. Calls are pipelined and answered in any order. */
export class Connection implements Caller {
  readonly #rpc: Rpc

  /**
   * Connects, authenticates (`none` only: root, or a socket whose mode is the protection), opens
   * `uri` and registers for events. Errors: `LibvirtConnectionError`, `LibvirtProtocolError`,
   * `LibvirtError` when libvirtd refuses the URI, or the reason of `signal`.
   */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { socketPath, uri, openTimeoutMs = OPEN_TIMEOUT_MS } = options
    const giveUp = new AbortController()
    const onAbort = () => giveUp.abort(options.signal?.reason)
    const timer = setTimeout(() => {
      const message = `libvirtd at ${socketPath} did not open ${uri} within ${openTimeoutMs} ms`
      giveUp.abort(new LibvirtConnectionError('CONNECT_TIMEOUT', message))
    }, openTimeoutMs)
    try {
      options.signal?.throwIfAborted()
      options.signal?.addEventListener('abort', onAbort, { once: true })
      const listeners = options.on ?? {}
      const rpc = new Rpc(await connectSocket(socketPath, giveUp.signal), {
        inFlightMax: options.inFlightMax ?? IN_FLIGHT_MAX,
        keepAlive: options.keepAlive ?? KEEP_ALIVE_DEFAULT,
        onEvent: (header, payload) => dispatchEvent(listeners, header, payload),
      })
      const connection = new Connection(rpc)
      try {
        await connection.#handshake(uri, listeners, giveUp.signal)
        return connection
      } catch (cause) {
        rpc.end(new LibvirtConnectionError('CONNECTION_CLOSED', `opening ${uri} failed`, { cause }))
        throw cause
      }
    } finally {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  private constructor(rpc: Rpc) {
    this.#rpc = rpc
  }

  /** Resolves, never rejects, with the reason once the connection is over. */
  get closed(): Promise<Error> {
    return this.#rpc.closed
  }

  call<P extends Procedure>(procedure: P, args: Arguments<P>, options: CallOptions = {}): Promise<Reply<P>> {
    const { signal, timeoutMs = CALL_TIMEOUT_MS } = options
    return this.#rpc.call({ name: procedure, row: CALLS[procedure], args, signal, timeoutMs })
  }

  openStream<P extends StreamProcedure>(
    procedure: P,
    args: StreamArguments<P>,
    options: CallOptions = {},
  ): Promise<LibvirtStream> {
    const { signal, timeoutMs = CALL_TIMEOUT_MS } = options
    return this.#rpc.openStream({ name: procedure, row: STREAMS[procedure], args, signal, timeoutMs })
  }

  /** Tells libvirtd, then ends. Pending calls fail with `CONNECTION_CLOSED`. Never rejects. */
  async close(): Promise<void> {
    await this.call('connectClose', {}, { timeoutMs: CLOSE_TIMEOUT_MS }).catch(() => {})
    this.#rpc.end(new LibvirtConnectionError('CONNECTION_CLOSED', 'the connection was closed on this side'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #handshake(uri: string, listeners: EventListeners, signal: AbortSignal): Promise<void> {
    const { types } = await this.call('authList', {}, { signal })
    if (types.length > 0 && !types.includes(AUTH_NONE)) {
      throw new LibvirtConnectionError(
        'AUTH_UNSUPPORTED',
        `libvirtd wants authentication of type ${types.join(', ')}; connect as root or set auth_unix_rw = "none"`,
      )
    }
    const { supported } = await this.call(
      'connectSupportsFeature',
      { feature: FEATURE_KEEPALIVE },
      { signal },
    )
    if (supported === 1) this.#rpc.startKeepAlive()
    await this.call('connectOpen', { name: uri, flags: 0 }, { signal })
    for (const eventId of wantedEventIds(listeners)) {
      await this.call('connectDomainEventCallbackRegisterAny', { eventId, dom: undefined }, { signal })
    }
  }
}
