import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type MachineId, SlipwayError } from '../../../model/index.ts'

/** An honest answer has less than a thousand bytes. */
const REPLY_BYTES_MAX = 64 * 1024
/** An empty line ends a request. */
const END = '\n'
const LINE_FEED = 0x0a

/**
 * The way to a machine's resident kit: a socket that QEMU serves and the guest reads from as long as it lives. Questions
 * go one at a time; the guest is not read from between them, so that what it pours out waits in the guest.
 *
 *   connected while the guest is paused ─► ask ─► answered ─► ask …      what fails once is of no use any more
 */
export class KitPort {
  readonly #socket: Socket
  readonly #machine: MachineId
  #last: Promise<unknown> = Promise.resolve()

  /** Errors: `hypervisor_refused` if QEMU does not listen there. */
  static async connect(path: string, machine: MachineId): Promise<KitPort> {
    const socket = connect({ path })
    try {
      await once(socket, 'connect')
    } catch (cause) {
      throw new SlipwayError(
        'hypervisor_refused',
        { action: 'open the kit’s port of', object: machine, detail: 'nobody listens there' },
        { cause },
      )
    }
    return new KitPort(socket, machine)
  }

  private constructor(socket: Socket, machine: MachineId) {
    this.#socket = socket
    this.#machine = machine
    socket.pause()
    socket.on('error', () => undefined)
  }

  /** The line that the guest answers; waits its turn, and for a guest that still boots. */
  async ask(request: string, signal: AbortSignal): Promise<string> {
    const turn = this.#last.then(() => this.#exchange(request, signal))
    this.#last = turn.catch(() => this.close())
    return turn
  }

  close(): void {
    this.#socket.destroy()
  }

  async #exchange(request: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted()
    const socket = this.#socket
    if (socket.destroyed) throw this.#gone()
    while (socket.read() !== null) {
      // Nobody asked for it.
    }
    socket.write(request + END)
    return this.#line(signal)
  }

  #line(signal: AbortSignal): Promise<string> {
    const socket = this.#socket
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const parts: Buffer[] = []
    let bytes = 0
    const onData = (part: Buffer): void => {
      const end = part.indexOf(LINE_FEED)
      parts.push(end === -1 ? part : part.subarray(0, end))
      bytes += part.length
      if (end !== -1) resolve(Buffer.concat(parts).toString('utf8'))
      else if (bytes > REPLY_BYTES_MAX)
        reject(new SlipwayError('guest_misbehaved', { machine: this.#machine, what: 'without end' }))
    }
    const onClose = (): void => reject(this.#gone())
    const onAbort = (): void => reject(signal.reason)
    socket.on('data', onData).once('close', onClose).resume()
    signal.addEventListener('abort', onAbort, { once: true })
    return promise.finally(() => {
      socket.off('data', onData).off('close', onClose).pause()
      signal.removeEventListener('abort', onAbort)
    })
  }

  #gone(): SlipwayError {
    return new SlipwayError('hypervisor_refused', {
      action: 'speak to the kit of',
      object: this.#machine,
      detail: 'its port is closed',
    })
  }
}

/** Ports of machines that live; one that this process has not opened yet is opened when it is needed. */
export class KitPorts {
  readonly #ports = new Map<MachineId, Promise<KitPort>>()

  open(machine: MachineId, path: () => Promise<string>): Promise<KitPort> {
    const known = this.#ports.get(machine)
    if (known !== undefined) return known
    const port = path().then((found) => KitPort.connect(found, machine))
    this.#ports.set(machine, port)
    port.catch(() => this.#ports.delete(machine))
    return port
  }

  close(machine: MachineId): void {
    const port = this.#ports.get(machine)
    this.#ports.delete(machine)
    void port?.then(
      (open) => open.close(),
      () => undefined,
    )
  }

  closeAll(): void {
    for (const machine of [...this.#ports.keys()]) this.close(machine)
  }
}
