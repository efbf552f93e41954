/** WebSockets with Slipway's limits. */
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'

/** RFC 6455, 7.4.1: the server goes away. */
const CLOSE_GOING_AWAY = 1001
/** For the other side to say goodbye, when the server stops. */
const GOODBYE_MS = 500

/** Lets `app` have WebSocket routes, declared after this. A larger message than `bytesMax` ends its connection. */
export async function allowWebSockets(app: FastifyInstance, bytesMax: number): Promise<void> {
  await app.register(websocket, {
    options: { maxPayload: bytesMax, perMessageDeflate: false },
    preClose: (done) => {
      const { clients } = app.websocketServer
      for (const client of clients) client.close(CLOSE_GOING_AWAY)
      setTimeout(() => {
        for (const client of clients) client.terminate()
      }, GOODBYE_MS).unref()
      app.websocketServer.close()
      done()
    },
  })
}
