/** The line over a real unix socket, against a server that plays the coordinator, badly where asked to. */
import { once } from 'node:events'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { AGENT_PATH, type FromAgent, type FromCoordinator } from '../api/index.ts'
import { systemClock } from '../model/index.ts'
import { AgentEvents } from './events.ts'
import type { Send } from './ports.ts'
import { keepUplink } from './uplink.ts'

let dir = ''
let stop = new AbortController()
let servers: Server[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'agent-uplink-'))
  stop = new AbortController()
  servers = []
})
afterEach(async () => {
  stop.abort()
  for (const server of servers) server.close()
  await rm(dir, { recursive: true })
})

/** Resolves with each line that is opened, in order. */
function coordinator() {
  const waiting: ((line: WebSocket) => void)[] = []
  const sockets = new WebSocketServer({ noServer: true })
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    if (request.url !== AGENT_PATH) return socket.destroy()
    sockets.handleUpgrade(request, socket, head, (line) => waiting.shift()?.(line))
  })
  servers.push(server)
  server.listen(join(dir, 'agent.sock'))
  return {
    line: () => new Promise<WebSocket>((resolve) => waiting.push(resolve)),
    close: () => server.close(),
  }
}

function uplink() {
  const heard: FromCoordinator[] = []
  const sends: Send[] = []
  const opens: ((send: Send) => void)[] = []
  const ends: (() => void)[] = []
  const troubles: string[] = []
  void keepUplink({
    socket: join(dir, 'agent.sock'),
    clock: systemClock,
    jitter: () => 0,
    events: new AgentEvents((_level, event) => void troubles.push(event)),
    signal: stop.signal,
    connected: (send) => {
      sends.push(send)
      opens.shift()?.(send)
      return { receive: (frame) => void heard.push(frame), closed: () => ends.shift()?.() }
    },
  })
  return {
    heard,
    sends,
    troubles,
    opened: () => new Promise<Send>((resolve) => opens.push(resolve)),
    ended: () => new Promise<void>((resolve) => ends.push(resolve)),
  }
}

const welcome: FromCoordinator = { type: 'welcome', database: `d-${'0'.repeat(26)}`, epoch: 1 }
const report = (machines: number): FromAgent => ({
  type: 'report',
  full: true,
  stamp: { epoch: 1, generation: machines },
  machines: [],
  gone: [],
})

it('waits for a coordinator that is not there yet, then carries frames both ways', async () => {
  const { heard, opened } = uplink()
  const send = opened()
  const line = await coordinator().line()
  line.send(JSON.stringify(welcome))
  const say = await send
  say(report(3))
  const [text] = await once(line, 'message')
  expect(JSON.parse(String(text))).toEqual(report(3))
  expect(heard).toEqual([welcome])
})

it('comes back after the coordinator was away, and says that the old line has ended', async () => {
  const first = coordinator()
  const { ended, opened } = uplink()
  const send = opened()
  const line = await first.line()
  const end = ended()
  const again = opened()
  line.terminate()
  await end
  const dead = await send
  dead(report(1))
  const next = await first.line()
  const say = await again
  say(report(2))
  expect(JSON.parse(String((await once(next, 'message'))[0]))).toEqual(report(2))
})

it('ends a line on which something comes that is no frame, and tries another', async () => {
  for (const garbage of [
    '',
    'hello',
    '{"type":"wanted"}',
    JSON.stringify({ ...welcome, extra: 1 }),
    Buffer.of(1),
  ]) {
    const server = coordinator()
    const { heard, ended, troubles } = uplink()
    const line = await server.line()
    const end = ended()
    line.send(garbage)
    await end
    expect(heard).toEqual([])
    expect(troubles).toContain('trouble')
    stop.abort()
    stop = new AbortController()
    server.close()
    await rm(join(dir, 'agent.sock'), { force: true })
  }
})

it('does not read a frame beyond the limit', async () => {
  const server = coordinator()
  const { heard, ended } = uplink()
  const line = await server.line()
  line.on('error', () => undefined)
  const end = ended()
  line.send(`${JSON.stringify(welcome)}${' '.repeat(9 * 1024 * 1024)}`)
  await end
  expect(heard).toEqual([])
})

it.skipIf(process.getuid?.() !== 0)(
  'says nothing to whoever listens in the coordinator’s place',
  async () => {
    await chmod(dir, 0o1777)
    coordinator()
    await chown(join(dir, 'agent.sock'), 65_534, 65_534)
    const { sends, troubles } = uplink()
    await vi.waitFor(() => expect(troubles).toEqual(['trouble']))
    await rm(join(dir, 'agent.sock'))
    await coordinator().line()
    await vi.waitFor(() => expect(sends).toHaveLength(1))
  },
)
