/** Where agents dial in: frames of JSON text, each parsed before anybody sees it, and the streams they open when asked. */
import type { FastifyInstance } from 'fastify'
import type { RawData, WebSocket } from 'ws'
import { AGENT_PATH, AGENT_STREAM_PATH } from '../../api/index.ts'
import { FRAME_BYTES_MAX, fromAgent } from '../../api/server.ts'
import type { Coordinator } from '../coordinator.ts'
import type { AgentLink, Log } from '../ports.ts'
import { makeServer } from './http.ts'
import type { Streams } from './streams.ts'
import { allowWebSockets } from './websockets.ts'

/** What an agent has not read yet; a connection that holds more is given up. */
const UNSENT_BYTES_MAX = 4 * FRAME_BYTES_MAX
/** RFC 6455, 7.4.1: a policy is violated. */
const CLOSE_POLICY = 1008

export async function makeAgentServer({
  coordinator,
  streams,
  log,
}: {
  readonly coordinator: Coordinator
  readonly streams: Streams
  readonly log: Log
}): Promise<FastifyInstance> {
  const app = makeServer(log)
  await allowWebSockets(app, FRAME_BYTES_MAX)
  app.get(AGENT_PATH, { websocket: true }, (socket) => serve(socket, coordinator))
  app.get<{ Params: { stream: string } }>(AGENT_STREAM_PATH, { websocket: true }, (socket, { params }) => {
    if (!streams.offer(params.stream, socket)) socket.close(CLOSE_POLICY, 'nobody waits for this stream')
  })
  return app
}

function serve(socket: WebSocket, coordinator: Coordinator): void {
  let closing = false
  const link: AgentLink = {
    send(frame) {
      if (socket.bufferedAmount > UNSENT_BYTES_MAX) socket.terminate()
      else if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame))
    },
    close() {
      closing = true
      socket.close(CLOSE_POLICY)
    },
  }
  const session = coordinator.agentConnected(link)
  socket.on('message', (data, isBinary) => {
    if (closing) return
    const frame = isBinary ? undefined : parse(data)
    if (!frame) session.malformed('a frame that is no JSON text')
    else if (!frame.success) session.malformed(frame.error.issues.map(issueText).slice(0, 3).join('; '))
    else session.receive(frame.data)
  })
  socket.on('close', () => session.closed())
  // ws closes the connection after an error, e.g. a frame above the limit.
  socket.on('error', (error) => session.malformed(error.message))
}

function parse(data: RawData): ReturnType<typeof fromAgent.safeParse> | undefined {
  try {
    return fromAgent.safeParse(JSON.parse(data.toString()))
  } catch {
    return undefined
  }
}

const issueText = ({
  path,
  message,
}: {
  readonly path: readonly PropertyKey[]
  readonly message: string
}): string => `${path.map(String).join('.')}: ${message}`
