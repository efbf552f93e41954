import { LibvirtConnectionError } from './error.ts'
import type { Address } from './incoming.ts'
import type { XdrReader } from './xdr/index.ts'

/** Calls that may wait for their turn before `QUEUE_FULL`; a bound on memory, far above honest use. */
const QUEUED_MAX = 4_096

export interface PendingCall {
  readonly serial: number
  /** For messages to people. */
  readonly name: string
  /** What the reply must name too. */
  readonly row: Address
  readonly frame: Buffer
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  /** Decodes the reply and settles the call; may throw, then the call fails with what was thrown. */
  readonly answered: (payload: XdrReader) => void
  readonly failed: (error: unknown) => void
  /** How a call that was abandoned ended after all: what it left behind may have to be undone. */
  readonly late?: (succeeded: boolean) => void
}

/**
 * The calls of one connection between being made and being answered.
 *
 *   start ─► queued ─► sent ─► answered
 *              │         └─► abandoned (signal or time-out) ─► its late reply is dropped
 *              └─► withdrawn: libvirtd never sees it
 *
 * At most `inFlightMax` are sent and unanswered, the abandoned included: libvirtd stops reading
 * from a client that has `max_client_requests` of them, and then does not see its pings either.
 */
export class CallTable {
  readonly #send: (frame: Buffer) => void
  readonly #inFlightMax: number
  readonly #queued = new Map<number, PendingCall>()
  readonly #sent = new Map<number, PendingCall>()
  readonly #abandoned = new Map<number, PendingCall>()
  readonly #release = new Map<number, () => void>()

  constructor(inFlightMax: number, send: (frame: Buffer) => void) {
    this.#inFlightMax = inFlightMax
    this.#send = send
  }

  has(serial: number): boolean {
    return this.#queued.has(serial) || this.#sent.has(serial) || this.#abandoned.has(serial)
  }

  start(call: PendingCall): void {
    if (call.signal?.aborted) {
      call.failed(call.signal.reason)
    } else if (this.#queued.size >= QUEUED_MAX) {
      call.failed(
        new LibvirtConnectionError(
          'QUEUE_FULL',
          `${call.name}: ${QUEUED_MAX} calls already wait for libvirtd`,
        ),
      )
    } else {
      this.#watch(call)
      this.#queued.set(call.serial, call)
      this.#pump()
    }
  }

  /** The call libvirtd works on under that serial, if any, abandoned or not. */
  find(serial: number): PendingCall | undefined {
    return this.#sent.get(serial) ?? this.#abandoned.get(serial)
  }

  /** libvirtd answered `call` with success. */
  answer(call: PendingCall, payload: XdrReader): void {
    if (this.#abandoned.delete(call.serial)) call.late?.(true)
    else this.#settle(call, () => call.answered(payload))
    this.#pump()
  }

  /** libvirtd answered `call` with an error. */
  refuse(call: PendingCall, error: unknown): void {
    if (this.#abandoned.delete(call.serial)) call.late?.(false)
    else this.#settle(call, () => call.failed(error))
    this.#pump()
  }

  /** The connection is gone: no call will be answered. */
  failAll(error: unknown): void {
    const waiting = [...this.#sent.values(), ...this.#queued.values()]
    const abandoned = [...this.#abandoned.values()]
    this.#abandoned.clear()
    for (const call of abandoned) call.late?.(false)
    for (const call of waiting) this.#settle(call, () => call.failed(error))
  }

  #settle(call: PendingCall, settle: () => void): void {
    this.#queued.delete(call.serial)
    this.#sent.delete(call.serial)
    this.#release.get(call.serial)?.()
    this.#release.delete(call.serial)
    try {
      settle()
    } catch (error) {
      call.failed(error)
    }
  }

  #watch(call: PendingCall): void {
    const { signal, name, timeoutMs } = call
    const onAbort = () => this.#abandon(call, signal?.reason)
    const timer = setTimeout(
      () =>
        this.#abandon(
          call,
          new LibvirtConnectionError('CALL_TIMEOUT', `${name}: no answer within ${timeoutMs} ms`),
        ),
      timeoutMs,
    )
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#release.set(call.serial, () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    })
  }

  #abandon(call: PendingCall, reason: unknown): void {
    if (this.#sent.has(call.serial)) this.#abandoned.set(call.serial, call)
    this.#settle(call, () => call.failed(reason))
  }

  #pump(): void {
    for (const [serial, call] of this.#queued) {
      if (this.#sent.size + this.#abandoned.size >= this.#inFlightMax) return
      this.#queued.delete(serial)
      this.#sent.set(serial, call)
      this.#send(call.frame)
    }
  }
}
