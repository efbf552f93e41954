import type { Socket } from 'node:net'
import { addAbortSignal } from 'node:stream'
import { CallTable, type PendingCall } from './call-table.ts'
import { LibvirtConnectionError, LibvirtProtocolError } from './error.ts'
import { FrameSplitter } from './frame-splitter.ts'
import { events } from './generated/protocol.ts'
import { type Address, expectFrom, type Incoming, readError, readIncoming, unexpected } from './incoming.ts'
import { KeepAlive, type KeepAliveOptions } from './keep-alive.ts'
import { encodeMessage, type MessageHeader } from './message.ts'
import { LibvirtStream } from './stream.ts'
import { type Codec, readWhole, type XdrReader } from './xdr/index.ts'

/** A row of the protocol table. */
export interface Row<A, R> {
  readonly program: number
  readonly version: number
  readonly procedure: number
  readonly args: Codec<A>
  readonly reply: Codec<R>
}

export interface Call<A, R> {
  readonly name: string
  readonly row: Row<A, R>
  readonly args: A
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
}

interface OpenStream {
  readonly call: { readonly name: string; readonly row: Address }
  readonly stream: LibvirtStream
}

export interface RpcOptions {
  readonly inFlightMax: number
  readonly keepAlive: KeepAliveOptions
  /** A message that is neither reply, stream packet nor keepalive. */
  readonly onEvent: (header: MessageHeader, payload: XdrReader) => void
}

const SERIAL_MAX = 0xffff_ffff

/**
 * libvirt's RPC on a connected socket: calls by serial, streams, events, keepalive.
 *
 * What breaks the framing (impossible length, a reply to no call, another program) ends everything;
 * a reply that does not fit its type fails its call alone.
 */
export class Rpc {
  /** Resolves, never rejects, with the reason once it is over. */
  readonly closed: Promise<Error>
  readonly #resolveClosed: (reason: Error) => void
  readonly #socket: Socket
  readonly #onEvent: RpcOptions['onEvent']
  readonly #splitter = new FrameSplitter()
  readonly #calls: CallTable
  readonly #streams = new Map<number, OpenStream>()
  readonly #keepAlive: KeepAlive
  #ended: Error | undefined
  #serial = 0
  #corked = false

  constructor(socket: Socket, options: RpcOptions) {
    const { promise, resolve } = Promise.withResolvers<Error>()
    this.closed = promise
    this.#resolveClosed = resolve
    this.#socket = socket
    this.#onEvent = options.onEvent
    this.#calls = new CallTable(options.inFlightMax, (frame) => this.#write(frame))
    this.#keepAlive = new KeepAlive(
      options.keepAlive,
      () => this.#sendKeepAlive(events.keepalivePing),
      () => this.end(new LibvirtConnectionError('KEEPALIVE_TIMEOUT', 'libvirtd answers no pings')),
    )
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (cause) =>
      this.end(new LibvirtConnectionError('CONNECTION_LOST', cause.message, { cause })),
    )
    socket.on('close', () =>
      this.end(new LibvirtConnectionError('CONNECTION_LOST', 'libvirtd closed the connection')),
    )
  }

  /** From now on a silent libvirtd is pinged, and given up if it stays silent. */
  startKeepAlive(): void {
    if (this.#ended === undefined) this.#keepAlive.start()
  }

  call<A, R>(call: Call<A, R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#start(call, this.#nextSerial(), {
        answered: (payload) => resolve(readWhole(call.row.reply, payload)),
        failed: reject,
      })
    })
  }

  /** `call.signal` governs the stream's whole life. */
  openStream<A, R>(call: Call<A, R>): Promise<LibvirtStream> {
    return new Promise((resolve, reject) => {
      const serial = this.#nextSerial()
      const stream = new LibvirtStream({
        send: (status, data, written) => this.#sendPacket(call.row, serial, status, data, written),
        done: () => this.#streams.delete(serial),
      })
      // Known before the call goes out: the first packet may overtake the reply.
      this.#streams.set(serial, { call, stream })
      this.#start(call, serial, {
        answered(payload) {
          try {
            readWhole(call.row.reply, payload)
          } catch (error) {
            stream.destroy()
            throw error
          }
          resolve(call.signal ? addAbortSignal(call.signal, stream) : stream)
        },
        failed: (error) => {
          if (this.#calls.find(serial) === undefined) stream.discard()
          reject(error)
        },
        late: (succeeded) => (succeeded ? stream.destroy() : stream.discard()),
      })
    })
  }

  /** Ends everything under way with `reason`; only the first reason counts. */
  end(reason: Error): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#keepAlive.stop()
    this.#socket.destroy()
    this.#calls.failAll(reason)
    for (const { stream } of this.#streams.values()) stream.fail(reason)
    this.#resolveClosed(reason)
  }

  #start<A, R>(
    call: Call<A, R>,
    serial: number,
    outcome: Pick<PendingCall, 'answered' | 'failed' | 'late'>,
  ): void {
    const { name, row, signal, timeoutMs } = call
    try {
      if (this.#ended !== undefined) {
        throw new LibvirtConnectionError('NOT_CONNECTED', `${name}: ${this.#ended.message}`, {
          cause: this.#ended,
        })
      }
      const header = { ...row, type: 'call', serial, status: 'ok' } as const
      const frame = encodeMessage(header, (writer) => row.args.write(writer, call.args))
      this.#calls.start({ name, row, serial, frame, signal, timeoutMs, ...outcome })
    } catch (error) {
      outcome.failed(error)
    }
  }

  #nextSerial(): number {
    do this.#serial = (this.#serial % SERIAL_MAX) + 1
    while (this.#calls.has(this.#serial) || this.#streams.has(this.#serial))
    return this.#serial
  }

  #sendKeepAlive(row: Address): void {
    this.#write(encodeMessage({ ...row, type: 'message', serial: 0, status: 'ok' }, () => {}))
  }

  #sendPacket(
    row: Address,
    serial: number,
    status: MessageHeader['status'],
    data: Uint8Array,
    written: (error?: Error | null) => void,
  ): void {
    this.#write(
      encodeMessage({ ...row, type: 'stream', serial, status }, (writer) => writer.raw(data)),
      written,
    )
  }

  /** What is written in one turn of the event loop leaves in one system call. */
  #write(frame: Buffer, written?: (error?: Error | null) => void): void {
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(frame, written)
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#splitter.push(chunk)) {
        const incoming = readIncoming(frame)
        this.#keepAlive.heard()
        this.#dispatch(incoming)
      }
    } catch (error) {
      if (error instanceof LibvirtProtocolError) {
        this.end(error)
        return
      }
      // A listener's bug. The rest of this chunk is lost, so the connection is of no use any more.
      this.end(new LibvirtConnectionError('CONNECTION_LOST', 'a listener threw', { cause: error }))
      throw error
    }
  }

  #dispatch(incoming: Incoming): void {
    switch (incoming.kind) {
      case 'reply':
        this.#receiveReply(incoming.header, incoming.payload)
        break
      case 'packet':
        this.#receivePacket(incoming.header, incoming.payload)
        break
      case 'event':
        this.#onEvent(incoming.header, incoming.payload)
        break
      case 'ping':
        this.#sendKeepAlive(events.keepalivePong)
        break
      case 'pong':
        break
    }
  }

  #receiveReply(header: MessageHeader, payload: XdrReader): void {
    const call = this.#calls.find(header.serial)
    if (call === undefined) throw unexpected(`a reply to no call of ours, serial ${header.serial}`)
    expectFrom(call.row, header)
    if (header.status === 'ok') this.#calls.answer(call, payload)
    else this.#calls.refuse(call, readError(call.name, payload))
  }

  #receivePacket(header: MessageHeader, payload: XdrReader): void {
    const { call, stream } = this.#streams.get(header.serial) ?? {}
    if (call === undefined || stream === undefined) {
      // Packets may still be under way when a stream has ended; those of a serial never given out are a lie.
      if (header.serial > 0 && header.serial <= this.#serial) return
      throw unexpected(`a packet of no stream of ours, serial ${header.serial}`)
    }
    expectFrom(call.row, header)
    if (header.type === 'streamHole') {
      stream.destroy(new LibvirtConnectionError('STREAM_HOLE', 'libvirtd sent a hole nobody asked for'))
    } else if (header.status === 'error') {
      stream.fail(readError(call.name, payload))
    } else {
      stream.receive(header.status, payload.rest())
    }
  }
}
