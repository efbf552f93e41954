import { errorName } from './error-number.ts'

/** Why bytes or values do not fit the protocol. `XDR_*` is the encoding (RFC 4506), `FRAME_*` and `MESSAGE_*` the framing around it. */
export type ProtocolErrorCode =
  | 'XDR_TRUNCATED'
  | 'XDR_TRAILING'
  | 'XDR_PADDING'
  | 'XDR_TAG'
  | 'XDR_LIMIT'
  | 'XDR_VALUE'
  | 'FRAME_LENGTH'
  | 'MESSAGE_HEADER'
  | 'MESSAGE_UNEXPECTED'

/** The other side does not speak the protocol as we know it, or we were given a value it cannot carry. */
export class LibvirtProtocolError extends Error {
  override readonly name = 'LibvirtProtocolError'
  readonly code: ProtocolErrorCode
  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Why a call or stream could not be carried. Only `NOT_CONNECTED` and `QUEUE_FULL` promise that
 * libvirtd never saw the call; after the others it may have been executed.
 */
export type ConnectionErrorCode =
  | 'CONNECT_FAILED'
  | 'CONNECT_TIMEOUT'
  | 'AUTH_UNSUPPORTED'
  | 'NOT_CONNECTED'
  | 'CONNECTION_LOST'
  | 'CONNECTION_CLOSED'
  | 'KEEPALIVE_TIMEOUT'
  | 'CALL_TIMEOUT'
  | 'QUEUE_FULL'
  | 'STREAM_ABORTED'
  | 'STREAM_HOLE'
  | 'STREAM_OVERFLOW'

/** The way to libvirtd failed; libvirtd itself said nothing. */
export class LibvirtConnectionError extends Error {
  override readonly name = 'LibvirtConnectionError'
  readonly code: ConnectionErrorCode
  constructor(code: ConnectionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What libvirtd puts into an error reply; numbers as in libvirt's virterror.h. */
export interface LibvirtErrorFacts {
  /** One of `ErrorNumber`, for example 42 for "no such domain". */
  readonly code: number
  /** The part of libvirt that failed, one of `ErrorDomain`, for example 10 for its QEMU driver. */
  readonly domain: number
  /** 1 warning, 2 error. */
  readonly level: number
  readonly message: string
  /** The procedure that was called, as named in the protocol table. */
  readonly procedure: string
}

/** libvirtd refused or failed a call. Branch on `code` against `ErrorNumber`. */
export class LibvirtError extends Error {
  override readonly name = 'LibvirtError'
  readonly code: number
  readonly domain: number
  readonly level: number
  readonly procedure: string
  /** Name of `code`, for log lines: `NO_DOMAIN`, or `ERROR_999` for a number we do not know. */
  readonly codeName: string
  constructor(facts: LibvirtErrorFacts) {
    super(facts.message)
    this.code = facts.code
    this.domain = facts.domain
    this.level = facts.level
    this.procedure = facts.procedure
    this.codeName = errorName(facts.code)
  }
}

/** `REFUSED`: QEMU or the guest agent answered with an error. The others: what came back is no usable answer. */
export type QemuErrorCode = 'REFUSED' | 'REPLY_MALFORMED' | 'REPLY_TOO_LARGE' | 'REPLY_MISSING'

/** A command reached QEMU's monitor or the guest agent and did not yield a result. */
export class QemuCommandError extends Error {
  override readonly name = 'QemuCommandError'
  readonly code: QemuErrorCode
  /** QEMU's error class, for example `CommandNotFound`; only with `REFUSED`. */
  readonly errorClass: string | undefined
  constructor(code: QemuErrorCode, message: string, errorClass?: string) {
    super(message)
    this.code = code
    this.errorClass = errorClass
  }
}
