/** A machine's console for the operator: ready on both ends before the caller's connection is accepted. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { CONSOLE_PATH } from '../../api/index.ts'
import { parseId, SlipwayError } from '../../model/index.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Ids } from '../ports.ts'
import { join, type Streams } from './streams.ts'
import { allowWebSockets } from './websockets.ts'

/** What a person types or pastes at once. */
const INPUT_BYTES_MAX = 64 * 1024

export async function addConsole(
  app: FastifyInstance,
  {
    coordinator,
    streams,
    ids,
  }: { readonly coordinator: Coordinator; readonly streams: Streams; readonly ids: Ids },
): Promise<void> {
  const opened = new WeakMap<FastifyRequest['raw'], WebSocket>()
  await allowWebSockets(app, INPUT_BYTES_MAX)
  const prepare = async (request: FastifyRequest<Params>): Promise<void> => {
    if (!request.ws) throw new SlipwayError('bad_request', { detail: 'a console is a WebSocket' })
    const machine = parseId('MachineId', request.params.machine)
    const stream = ids.nonce()
    const agent = await streams.want(stream, () => coordinator.openConsole(machine, stream))
    opened.set(request.raw, agent)
    const { socket } = request.raw
    if (socket.destroyed) agent.terminate()
    else socket.once('close', () => agent.terminate())
  }
  app.get<Params>(CONSOLE_PATH, { websocket: true, preValidation: prepare }, (caller, request) => {
    const agent = opened.get(request.raw)
    if (agent) join(agent, caller)
    else caller.terminate()
  })
}

interface Params {
  Params: { machine: string }
}
