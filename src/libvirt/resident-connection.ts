import { setTimeout as delay } from 'node:timers/promises'
import { BACK_OFF_DEFAULT, type BackOff, backOffMs, failuresAfter } from './back-off.ts'
import {
  type Arguments,
  type Caller,
  type CallOptions,
  Connection,
  type ConnectionOptions,
  type Procedure,
  type Reply,
  type StreamArguments,
  type StreamProcedure,
} from './connection.ts'
import { LibvirtConnectionError } from './error.ts'
import type { EventListeners } from './event.ts'
import type { LibvirtStream } from './stream.ts'

export interface ResidentListeners extends EventListeners {
  /** A connection stands, events are registered for. What happened in between was not reported: list anew. */
  readonly connected?: () => void
  /** The connection is gone; attempts to get another begin. */
  readonly disconnected?: (reason: Error) => void
  /** An attempt failed; the next one follows by itself. */
  readonly attemptFailed?: (error: Error) => void
}

export interface ResidentOptions extends Omit<ConnectionOptions, 'signal' | 'on'> {
  readonly on?: ResidentListeners | undefined
  readonly backOff?: BackOff | undefined
}

/**
 * A connection that comes back by itself, for a process that outlives libvirtd.
 *
 *   connecting ──► connected ──► (lost) ──► waiting ──► connecting
 *        └── failed ──► waiting, twice as long each time
 *
 * While there is no connection, calls fail at once with `NOT_CONNECTED`; nothing is queued, because
 * what was true before a restart of libvirtd need not be true after it.
 */
export class ResidentConnection implements Caller {
  readonly #options: ResidentOptions
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  #connection: Connection | undefined
  #connected = Promise.withResolvers<void>()
  #lastError: Error | undefined

  /** Starts connecting and returns at once. */
  constructor(options: ResidentOptions) {
    this.#options = options
    this.#ended = this.#run()
  }

  /** Resolves as soon as there is a connection; rejects with the reason of `signal`, or once closed. */
  async ready(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { promise: given, reject } = Promise.withResolvers<never>()
    const stopped = AbortSignal.any([this.#stop.signal, ...(options.signal ? [options.signal] : [])])
    const onAbort = () => reject(stopped.reason)
    if (stopped.aborted) onAbort()
    else stopped.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([given, this.#connected.promise])
    } finally {
      stopped.removeEventListener('abort', onAbort)
    }
  }

  call<P extends Procedure>(procedure: P, args: Arguments<P>, options?: CallOptions): Promise<Reply<P>> {
    return this.#connection?.call(procedure, args, options) ?? Promise.reject(this.#notConnected(procedure))
  }

  openStream<P extends StreamProcedure>(
    procedure: P,
    args: StreamArguments<P>,
    options?: CallOptions,
  ): Promise<LibvirtStream> {
    return (
      this.#connection?.openStream(procedure, args, options) ?? Promise.reject(this.#notConnected(procedure))
    )
  }

  /** Ends the connection and all attempts. Never rejects. */
  async close(): Promise<void> {
    this.#stop.abort(
      new LibvirtConnectionError('CONNECTION_CLOSED', 'the connection was closed on this side'),
    )
    await this.#connection?.close()
    await this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #notConnected(procedure: string): LibvirtConnectionError {
    const { socketPath } = this.#options
    return new LibvirtConnectionError(
      'NOT_CONNECTED',
      `${procedure}: no connection to libvirtd at ${socketPath}`,
      {
        cause: this.#lastError,
      },
    )
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const backOff = this.#options.backOff ?? BACK_OFF_DEFAULT
    let failures = 0
    while (!signal.aborted) {
      failures = failuresAfter(backOff, failures, await this.#connectOnce())
      await delay(backOffMs(backOff, failures, Math.random()), undefined, { signal }).catch(() => {})
    }
  }

  /** One connection from the attempt to its loss; how long it stood. */
  async #connectOnce(): Promise<number> {
    const { on = {}, backOff: _, ...options } = this.#options
    const { signal } = this.#stop
    try {
      this.#connection = await Connection.open({ ...options, on, signal })
    } catch (error) {
      this.#lastError = error instanceof Error ? error : new Error(String(error))
      if (!signal.aborted) on.attemptFailed?.(this.#lastError)
      return 0
    }
    const since = performance.now()
    this.#connected.resolve()
    on.connected?.()
    this.#lastError = await this.#connection.closed
    this.#connection = undefined
    this.#connected = Promise.withResolvers()
    if (!signal.aborted) on.disconnected?.(this.#lastError)
    return performance.now() - since
  }
}
