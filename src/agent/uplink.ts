/**
 * The agent's line to the coordinator: a WebSocket over the coordinator's unix socket, opened again whenever it ends.
 *
 *   is the socket the coordinator's? ─► connecting ─► still the same? ─► open: frames both ways, a heartbeat ─► ended
 *        └─► back-off ◄───────────────────────────────────────────────────────────────────────────────────────────┘
 */
import { WebSocket } from 'ws'
import { AGENT_PATH, type FromAgent, type FromCoordinator } from '../api/index.ts'
import { FRAME_BYTES_MAX, fromCoordinator } from '../api/server.ts'
import { type Clock, SlipwayError, sleep } from '../model/index.ts'
import { type TrustedSocket, trustSocket } from './coordinator-socket.ts'
import type { AgentEvents } from './events.ts'
import type { Send } from './ports.ts'

const BACK_OFF_FIRST_MS = 50
/** A unix socket costs next to nothing to try, and a coordinator that is started again is waited for. */
const ABSENT_MS_MAX = 1_000
/** A coordinator that hangs up on us has its reason, which does not go away by itself. */
const HUNG_UP_MS_MAX = 10_000
/** A line that held this long is forgiven its earlier failures. */
const FORGIVEN_AFTER_MS = 5_000
const HANDSHAKE_MS = 5_000
const HEARTBEAT_EVERY_MS = 3_000
/** A peer that neither speaks nor answers a ping for so long is dead. */
const SILENT_MS_MAX = 10_000

export interface UplinkOptions {
  /** Path of the coordinator's socket for agents. */
  readonly socket: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly jitter: () => number
  readonly events: AgentEvents
  readonly connected: (send: Send) => { receive(frame: FromCoordinator): void; closed(): void }
  readonly signal: AbortSignal
}

/** Keeps the line up until the signal aborts. */
export async function keepUplink(options: UplinkOptions): Promise<void> {
  const { clock, jitter, signal } = options
  let failures = 0
  let complaint = ''
  while (!signal.aborted) {
    const startMs = clock.now()
    let wasOpen = false
    try {
      wasOpen = await holdLine(options, trustSocket(options.socket))
      complaint = ''
    } catch (error) {
      // Said once: it is tried again every second.
      const { message } = toError(error)
      if (!isAbsent(error) && message !== complaint) options.events.trouble('the coordinator’s socket', error)
      complaint = message
    }
    if (clock.now() - startMs > FORGIVEN_AFTER_MS) failures = 0
    const fullMs = Math.min(wasOpen ? HUNG_UP_MS_MAX : ABSENT_MS_MAX, BACK_OFF_FIRST_MS * 2 ** failures++)
    await sleep(clock, fullMs * (0.5 + jitter() / 2), signal).catch(() => undefined)
  }
}

const isAbsent = (error: unknown): boolean => error instanceof SlipwayError && error.code === 'unreachable'
const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** One connection, from its opening to its end; false if it never opened. Throws if it was opened to somebody else. */
function holdLine(
  { socket, clock, events, connected, signal }: UplinkOptions,
  trusted: TrustedSocket,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const line = new WebSocket(`ws+unix:${socket}:${AGENT_PATH}`, {
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
      handshakeTimeout: HANDSHAKE_MS,
    })
    let session: ReturnType<UplinkOptions['connected']> | undefined
    let heardAtMs = clock.now()
    let stopHeartbeat = (): void => undefined
    const hear = (): void => {
      heardAtMs = clock.now()
    }
    const beat = (): void => {
      if (clock.now() - heardAtMs > SILENT_MS_MAX) line.terminate()
      else if (line.readyState === WebSocket.OPEN) line.ping()
      stopHeartbeat = clock.after(HEARTBEAT_EVERY_MS, beat)
    }
    const hangUp = (): void => line.terminate()
    signal.addEventListener('abort', hangUp, { once: true })
    line.on('open', () => {
      try {
        trusted.confirm()
      } catch (error) {
        line.terminate()
        return reject(error)
      }
      session = connected((frame) => send(line, frame, events))
      beat()
    })
    line.on('pong', hear)
    line.on('message', (data, isBinary) => {
      hear()
      const frame = isBinary ? undefined : parse(String(data))
      if (frame !== undefined) session?.receive(frame)
      else {
        events.trouble('frame', 'the coordinator sent what is no frame; the line is closed')
        line.close(POLICY_VIOLATION)
      }
    })
    line.on('error', () => undefined)
    line.on('close', () => {
      stopHeartbeat()
      signal.removeEventListener('abort', hangUp)
      session?.closed()
      resolve(session !== undefined)
    })
    if (signal.aborted) hangUp()
  })
}

/** Drops the frame when the peer does not read: the next full report holds it all. */
function send(line: WebSocket, frame: FromAgent, events: AgentEvents): void {
  if (line.readyState !== WebSocket.OPEN || line.bufferedAmount > FRAME_BYTES_MAX) return
  const text = JSON.stringify(frame)
  if (Buffer.byteLength(text) <= FRAME_BYTES_MAX) line.send(text)
  else events.trouble('frame', `${frame.type} is larger than a frame may be, it is not sent`)
}

function parse(text: string): FromCoordinator | undefined {
  try {
    return fromCoordinator.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** RFC 6455 section 7.4.1. */
const POLICY_VIOLATION = 1008
