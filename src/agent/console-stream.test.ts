import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { machineOf } from '../../test/agent/world.ts'
import { SlipwayError, systemClock } from '../model/index.ts'
import { consoleStreams } from './console-stream.ts'
import type { ConsoleStream } from './drivers/driver.ts'

let dir = ''
let server: Server
const { signal } = new AbortController()
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'agent-console-'))
})
afterEach(async () => {
  server.close()
  await rm(dir, { recursive: true })
})

/** The coordinator's end: resolves with the line of stream `s1`. */
function coordinator(): Promise<WebSocket> {
  const sockets = new WebSocketServer({ noServer: true })
  server = createServer().listen(join(dir, 'agent.sock'))
  return new Promise((resolve) =>
    server.on('upgrade', (request, socket, head) => {
      if (request.url !== '/v1/agent/streams/s1') return socket.destroy()
      sockets.handleUpgrade(request, socket, head, resolve)
    }),
  )
}

/** A console that echoes in capitals until it is left. */
const echo = {
  left: Promise.withResolvers<void>(),
  attachConsole: async (_machine: unknown, { signal }: { signal: AbortSignal }): Promise<ConsoleStream> => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    signal.addEventListener('abort', () => {
      echo.left.resolve()
      writer.close().catch(() => undefined)
    })
    return {
      output: readable,
      write: (bytes) => void writer.write(Buffer.from(Buffer.from(bytes).toString().toUpperCase())),
    }
  },
}
const open = (driver = echo) =>
  consoleStreams({ socket: join(dir, 'agent.sock'), clock: systemClock, driver })

it('joins console and stream both ways, and leaves the console when the reader goes', async () => {
  const line = coordinator()
  await open()(machineOf(1), 's1', signal)
  const reader = await line
  reader.send('ls\n')
  expect(String((await once(reader, 'message'))[0])).toBe('LS\n')
  reader.close()
  await echo.left.promise
})

it('closes the stream of a machine that has no console, and says why', async () => {
  const line = coordinator()
  const refuse = async (): Promise<never> => {
    throw new SlipwayError('not_found', { kind: 'machine', name: 'x' })
  }
  const opened = open({ ...echo, attachConsole: refuse })(machineOf(1), 's1', signal)
  await expect(opened).rejects.toMatchObject({ code: 'not_found' })
  await once(await line, 'close')
})

it('does not wait for a coordinator that does not take the stream', async () => {
  void coordinator()
  await expect(open()(machineOf(1), 'other', signal)).rejects.toMatchObject({ code: 'unreachable' })
})
