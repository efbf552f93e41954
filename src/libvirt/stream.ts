import { Duplex } from 'node:stream'
import { LibvirtConnectionError, LibvirtProtocolError } from './error.ts'
import { type MessageHeader, STREAM_PACKET_BYTES_MAX } from './message.ts'

/** Unread bytes kept for a slow reader. RPC streams have no window of their own, and pausing the socket would stop every call. */
const UNREAD_BYTES_MAX = 4 * 1024 * 1024

type Status = MessageHeader['status']

/** What a stream needs of its connection. */
export interface StreamPort {
  /** Sends one packet; `written` is called once the socket has taken it. */
  send(status: Status, data: Uint8Array, written: (error?: Error | null) => void): void
  /** No packet will follow in either direction. */
  done(): void
}

/**
 * A byte stream libvirtd keeps open after a call, for example a console.
 *
 *   open ── end() ──► finishing ── ok ──► closed          end() closes both directions
 *     ├── destroy() ► aborting ─── ok ──► closed          what still arrives is dropped
 *     └── error from libvirtd ──────────► closed          'error' with a LibvirtError
 *
 * End of file from the guest's side ends the readable half and then, by itself, the stream.
 * A reader that leaves 4 MiB unread loses the stream with `STREAM_OVERFLOW`. Unlike other streams
 * of Node, one that breaks unheard ends nobody's process: see `errored`, or read it with `for await`.
 */
export class LibvirtStream extends Duplex {
  readonly #port: StreamPort
  #state: 'open' | 'finishing' | 'aborting' | 'closed' = 'open'
  #finished: ((error?: Error | null) => void) | undefined

  /** Made by `Connection.openStream` only. */
  constructor(port: StreamPort) {
    super({ allowHalfOpen: false })
    this.#port = port
    // It may break before whoever opened it has got hold of it: that must not end the process.
    this.on('error', () => {})
  }

  /** A packet from libvirtd; data only with `continue`. */
  receive(status: 'continue' | 'ok', data: Buffer): void {
    if (status === 'ok') {
      this.#confirmed()
    } else if (this.#state === 'aborting') {
      // Sent before libvirtd saw the abort.
    } else if (data.length === 0) {
      this.push(null)
    } else if (this.readableLength + data.length > UNREAD_BYTES_MAX) {
      this.destroy(
        new LibvirtConnectionError('STREAM_OVERFLOW', `more than ${UNREAD_BYTES_MAX} bytes left unread`),
      )
    } else {
      this.push(data)
    }
  }

  /** libvirtd or the connection ended the stream: there is nothing left to tell libvirtd. */
  fail(error: Error): void {
    this.#close()
    this.destroy(error)
  }

  /** The call that was to open it failed, so nobody ever got hold of this stream. */
  discard(): void {
    this.#close()
    this.destroy()
  }

  #confirmed(): void {
    if (this.#state === 'open') {
      this.fail(new LibvirtProtocolError('MESSAGE_UNEXPECTED', 'libvirtd confirms an end nobody asked for'))
    } else {
      const finished = this.#finished
      this.#close()
      if (!this.destroyed) this.push(null)
      finished?.()
    }
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#finished = undefined
    this.#port.done()
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const packet = chunk.subarray(0, STREAM_PACKET_BYTES_MAX)
    const rest = chunk.subarray(packet.length)
    this.#port.send('continue', packet, (error) => {
      if (error || rest.length === 0) callback(error)
      else this._write(rest, _encoding, callback)
    })
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#state === 'open') {
      this.#state = 'finishing'
      this.#finished = callback
      this.#port.send('ok', new Uint8Array(), () => {})
    } else {
      callback()
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#state === 'open') {
      this.#state = 'aborting'
      this.#port.send('error', new Uint8Array(), () => {})
    } else if (this.#state === 'finishing') {
      this.#state = 'aborting'
    }
    callback(error)
  }
}
