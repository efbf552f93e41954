/**
 * Streams that an agent opens because the coordinator asked it to, joined to whoever wanted them. The coordinator only
 * passes bytes on, never more than a bounded amount ahead of the slower side; either end closes both.
 */
import type { RawData, WebSocket } from 'ws'
import { SlipwayError } from '../../model/index.ts'

/** Streams at once, waiting or joined. */
const STREAMS_MAX = 128
const OPEN_MS_MAX = 15_000
/** Bytes on their way to the slower side before the faster one must wait, and when it may go on. */
const AHEAD_BYTES_MAX = 1024 * 1024
const RESUME_MS = 50

export class Streams {
  readonly #waiting = new Map<string, (socket: WebSocket) => void>()
  #open = 0

  /** Waits for the agent to open `stream` after `request` has asked it to. The socket comes paused. */
  async want(stream: string, request: () => Promise<void>): Promise<WebSocket> {
    if (this.#open >= STREAMS_MAX)
      throw new SlipwayError('too_busy', { what: 'the list of streams', limit: STREAMS_MAX })
    this.#open += 1
    const offered = Promise.withResolvers<WebSocket>()
    const timer = setTimeout(
      () =>
        offered.reject(new SlipwayError('timed_out', { step: 'opening a stream', deadlineMs: OPEN_MS_MAX })),
      OPEN_MS_MAX,
    )
    this.#waiting.set(stream, offered.resolve)
    try {
      const [socket] = await Promise.all([offered.promise, request()])
      socket.once('close', () => {
        this.#open -= 1
      })
      if (socket.readyState !== socket.OPEN) socket.emit('close')
      return socket
    } catch (error) {
      this.#open -= 1
      offered.promise.then((socket) => socket.terminate()).catch(() => {})
      throw error
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(stream)
    }
  }

  /** An agent has opened `stream`; false if nobody waits for it. */
  offer(stream: string, socket: WebSocket): boolean {
    const take = this.#waiting.get(stream)
    if (!take) return false
    this.#waiting.delete(stream)
    socket.pause()
    take(socket)
    return true
  }
}

/** Passes everything on, both ways, until either side closes. */
export function join(a: WebSocket, b: WebSocket): void {
  pass(a, b)
  pass(b, a)
}

function pass(from: WebSocket, to: WebSocket): void {
  from.on('message', (data: RawData, isBinary: boolean) => {
    if (to.readyState !== to.OPEN) return
    to.send(data, { binary: isBinary })
    if (to.bufferedAmount > AHEAD_BYTES_MAX) waitFor(from, to)
  })
  from.on('close', () => to.close())
  from.on('error', () => to.terminate())
  from.resume()
  if (from.readyState !== from.OPEN) to.close()
}

/** Stops reading until the other side has caught up. */
function waitFor(from: WebSocket, to: WebSocket): void {
  from.pause()
  const look = setInterval(() => {
    if (to.readyState === to.OPEN && to.bufferedAmount > AHEAD_BYTES_MAX / 2) return
    clearInterval(look)
    from.resume()
  }, RESUME_MS)
}
