import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FrameSplitter } from './frame-splitter.ts'
import { ErrorReply, events, procedures, streams } from './generated/protocol.ts'
import { decodeMessage, encodeMessage, type MessageHeader } from './message.ts'
import { type Codec, readWhole, type XdrWriter } from './xdr/index.ts'

interface Row {
  readonly program: number
  readonly version: number
  readonly procedure: number
  readonly args?: Codec<unknown>
  readonly reply?: Codec<unknown>
  readonly payload?: Codec<unknown>
}

const ROWS: ReadonlyMap<string, Row> = new Map(Object.entries<Row>({ ...procedures, ...streams, ...events }))

/** One message that arrived. */
export interface Received {
  readonly name: string
  readonly header: MessageHeader
  readonly args: unknown
  readonly data: Buffer
}

/** Answers with a value, an error, or bytes of the test's own making. */
export type Answer = (received: Received, fake: FakeLibvirtd) => void

/**
 * Tests only: the other end of a socket, which opens any URI and answers other calls as the test
 * says. What it is not told to answer, it leaves unanswered.
 */
export class FakeLibvirtd {
  readonly received: Received[] = []
  readonly #directory = mkdtempSync(join(tmpdir(), 'fake-libvirtd-'))
  readonly socketPath = join(this.#directory, 'sock')
  readonly #answers = new Map<string, Answer>()
  readonly #waiting: (() => void)[] = []
  readonly #server: Server
  #peers: Socket[] = []

  static async listen(): Promise<FakeLibvirtd> {
    const fake = new FakeLibvirtd()
    await fake.resume()
    return fake
  }

  private constructor() {
    this.#server = createServer((socket) => this.#accept(socket))
    this.on('authList', (call) => this.reply(call, { types: [0] }))
    this.on('connectSupportsFeature', (call) => this.reply(call, { supported: 1 }))
    this.on('connectOpen', (call) => this.reply(call, {}))
    this.on('connectClose', (call) => this.reply(call, {}))
    this.on('connectDomainEventCallbackRegisterAny', (call) => this.reply(call, { callbackId: 1 }))
    this.on('keepalivePing', () => this.event('keepalivePong', {}))
  }

  on(name: keyof typeof procedures | keyof typeof streams | keyof typeof events, answer: Answer): void {
    this.#answers.set(name, answer)
  }

  reply(call: Received, value: unknown): void {
    const codec = ROWS.get(call.name)?.reply
    this.send({ ...call.header, type: 'reply' }, (writer) => codec?.write(writer, value))
  }

  refuse(call: Received, code: number, message: string): void {
    this.send(
      { ...call.header, type: call.header.type === 'stream' ? 'stream' : 'reply', status: 'error' },
      (writer) => ErrorReply.write(writer, { ...EMPTY_ERROR, code, message }),
    )
  }

  event<E extends keyof typeof events>(name: E, payload: unknown): void {
    const { program, version, procedure, payload: codec }: Row = events[name]
    this.send({ program, version, procedure, type: 'message', serial: 0, status: 'ok' }, (writer) =>
      codec?.write(writer, payload),
    )
  }

  /** A stream packet that belongs to `call`. */
  packet(call: Received, status: MessageHeader['status'], data = ''): void {
    this.send({ ...call.header, type: 'stream', status }, (writer) => writer.raw(Buffer.from(data)))
  }

  send(header: MessageHeader, writePayload: (writer: XdrWriter) => void): void {
    this.raw(encodeMessage(header, writePayload))
  }

  raw(bytes: Uint8Array): void {
    this.#peers.at(-1)?.write(bytes)
  }

  /** The first message for which `matches` holds, already here or still to come. */
  async next(matches: (received: Received) => boolean): Promise<Received> {
    for (;;) {
      const found = this.received.find(matches)
      if (found) return found
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Drops its connections and listens no more, as a killed daemon. */
  async die(): Promise<void> {
    for (const peer of this.#peers) peer.destroy()
    this.#peers = []
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve))
  }

  async resume(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.socketPath, resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #accept(socket: Socket): void {
    this.#peers.push(socket)
    const splitter = new FrameSplitter()
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#peers = this.#peers.filter((peer) => peer !== socket)
    })
    socket.on('data', (chunk) => {
      for (const frame of splitter.push(chunk)) this.#receive(frame)
    })
  }

  #receive(frame: Buffer): void {
    const { header, payload } = decodeMessage(frame)
    const [name, row] = Object.entries<{ program: number; procedure: number; args?: Codec<unknown> }>({
      ...procedures,
      ...streams,
      ...events,
    }).find(([, { program, procedure }]) => program === header.program && procedure === header.procedure) ?? [
      '',
      {},
    ]
    const args = header.type === 'call' && row.args ? readWhole(row.args, payload) : undefined
    const received: Received = { name, header, args, data: payload.rest() }
    this.received.push(received)
    if (header.type !== 'stream') this.#answers.get(name)?.(received, this)
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

const EMPTY_ERROR = {
  domain: 10,
  level: 2,
  dom: undefined,
  str1: undefined,
  str2: undefined,
  str3: undefined,
  int1: 0,
  int2: 0,
  net: undefined,
}
