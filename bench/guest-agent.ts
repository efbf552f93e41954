/** QEMU's guest agent by its socket, no libvirt between: as little as a bench of a raw guest needs. */
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { dial } from './dial.ts'

/** How long a guest may take to answer; a command asked before that is asked again. */
const SYNC_TRY_MS = 250
const POLL_MS = 10

export class GuestAgent implements Disposable {
  readonly #socket: Socket
  readonly #waiting: ((reply: Record<string, unknown>) => void)[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => undefined)
    createInterface({ input: socket }).on('line', (line) => this.#hear(line))
  }

  /** Connects as soon as QEMU listens. */
  static async open(path: string, signal: AbortSignal): Promise<GuestAgent> {
    return new GuestAgent(await dial(path, POLL_MS, signal))
  }

  /** Resolves once the guest answers what was asked just now. */
  async sync(signal: AbortSignal): Promise<void> {
    for (let id = 1; ; id++) {
      signal.throwIfAborted()
      const reply = await Promise.race([this.#ask('guest-sync', { id }), wait(SYNC_TRY_MS, undefined)])
      if (reply?.return === id) return
    }
  }

  /** What a program in the guest prints, given `stdin`. */
  async run(path: string, stdin: string, signal: AbortSignal): Promise<string> {
    const input = Buffer.from(stdin).toString('base64')
    const started = await this.#ask('guest-exec', { path, 'input-data': input, 'capture-output': true })
    const { pid } = started.return as { pid: number }
    for (;;) {
      signal.throwIfAborted()
      const reply = await this.#ask('guest-exec-status', { pid })
      const status = reply.return as { exited: boolean; 'out-data'?: string }
      if (status.exited) return Buffer.from(status['out-data'] ?? '', 'base64').toString()
      await wait(POLL_MS)
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #ask(execute: string, args: object): Promise<Record<string, unknown>> {
    this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #hear(line: string): void {
    this.#waiting.shift()?.(JSON.parse(line))
  }
}
