/** A machine's console, joined to a stream that the coordinator waits for: bytes both ways until either side ends. */
import { WebSocket } from 'ws'
import { AGENT_STREAM_PATH } from '../api/index.ts'
import { type Clock, type MachineId, SlipwayError, sleep } from '../model/index.ts'
import { trustSocket } from './coordinator-socket.ts'
import type { ConsoleStream, Driver } from './drivers/driver.ts'

const STREAMS_MAX = 32
const HANDSHAKE_MS = 5_000
/** What somebody types, or pastes. */
const INPUT_BYTES_MAX = 64 * 1024
/** A reader that is slower than the guest makes the console wait, not our memory grow. */
const BUFFERED_BYTES_MAX = 1024 * 1024
const DRAIN_POLL_MS = 20

export interface ConsoleStreamsOptions {
  readonly socket: string
  readonly clock: Clock
  readonly driver: Pick<Driver, 'attachConsole'>
}

/** Opens streams; each resolves once joined and then lives until an end closes or the signal aborts. */
export function consoleStreams({ socket, clock, driver }: ConsoleStreamsOptions) {
  let open = 0
  return async (machine: MachineId, stream: string, signal: AbortSignal): Promise<void> => {
    if (open >= STREAMS_MAX) throw new SlipwayError('too_busy', { what: 'the agent', limit: STREAMS_MAX })
    const end = new AbortController()
    const endWithAgent = (): void => end.abort(signal.reason)
    signal.addEventListener('abort', endWithAgent, { once: true })
    open++
    end.signal.addEventListener('abort', () => {
      open--
      signal.removeEventListener('abort', endWithAgent)
    })
    try {
      const line = await dial(socket, stream, end)
      const console = await driver.attachConsole(machine, { signal: end.signal })
      line.on('message', (data) => console.write(bytesOf(data)))
      void pump(console, line, clock, end)
    } catch (error) {
      end.abort(error)
      throw error
    }
  }
}

async function dial(socket: string, stream: string, end: AbortController): Promise<WebSocket> {
  const trusted = trustSocket(socket)
  const path = AGENT_STREAM_PATH.replace(':stream', encodeURIComponent(stream))
  const line = new WebSocket(`ws+unix:${socket}:${path}`, {
    perMessageDeflate: false,
    maxPayload: INPUT_BYTES_MAX,
    handshakeTimeout: HANDSHAKE_MS,
  })
  end.signal.addEventListener('abort', () => line.close())
  return new Promise((resolve, reject) => {
    line.on('error', (cause) => reject(new SlipwayError('unreachable', { socket }, { cause })))
    line.on('close', () => end.abort(new SlipwayError('cancelled', { what: 'the console' })))
    line.on('open', () => {
      try {
        trusted.confirm()
        resolve(line)
      } catch (error) {
        line.terminate()
        reject(error)
      }
    })
  })
}

async function pump(
  console: ConsoleStream,
  line: WebSocket,
  clock: Clock,
  end: AbortController,
): Promise<void> {
  try {
    for await (const bytes of console.output) {
      line.send(bytes)
      while (line.bufferedAmount > BUFFERED_BYTES_MAX) await sleep(clock, DRAIN_POLL_MS, end.signal)
    }
  } catch {
    // The guest's end, or a reader that left: the line closes either way.
  } finally {
    end.abort(new SlipwayError('cancelled', { what: 'the console' }))
  }
}

const bytesOf = (data: Buffer | ArrayBuffer | Buffer[]): Uint8Array =>
  Array.isArray(data) ? Buffer.concat(data) : new Uint8Array(data)
