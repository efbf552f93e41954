import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { events } from './generated/protocol.ts'
import { encodeMessage } from './message.ts'
import { Rpc } from './rpc.ts'

test('what a listener throws is not swallowed, and ends the connection', async () => {
  const socket = new Socket()
  const rpc = new Rpc(socket, {
    inFlightMax: 1,
    keepAlive: { intervalMs: 1_000_000, count: 1 },
    onEvent() {
      throw new Error('a bug')
    },
  })
  const header = { ...events.domainEventCallbackLifecycle, type: 'message', serial: 0, status: 'ok' } as const
  expect(() =>
    socket.emit(
      'data',
      encodeMessage(header, () => {}),
    ),
  ).toThrow('a bug')
  await expect(rpc.closed).resolves.toMatchObject({ code: 'CONNECTION_LOST', cause: { message: 'a bug' } })
})
