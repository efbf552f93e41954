/** A coordinator served on real unix sockets in a directory of its own, with agents that dial in. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import {
  AGENT_PATH,
  type Client,
  connect,
  type FromAgent,
  type FromCoordinator,
} from '../../src/api/index.ts'
import { Coordinator, openStore, randomIds } from '../../src/coordinator/index.ts'
import { serve } from '../../src/coordinator/server/server.ts'
import { type Flavor, type HostFacts, systemClock } from '../../src/model/index.ts'
import { FakeHost } from './fake-host.ts'

export interface Served {
  readonly dir: string
  readonly coordinator: Coordinator
  readonly admin: Client
  readonly bugs: object[]
  lease(token: string): Client
  host(facts: HostFacts): Promise<DialledHost>
  close(): Promise<void>
}

/** A host whose agent is a real WebSocket. */
export interface DialledHost {
  readonly host: FakeHost
  readonly socket: WebSocket
}

export async function startServed(flavors: readonly Flavor[]): Promise<Served> {
  const dir = mkdtempSync(join(tmpdir(), 'coordinator-test-'))
  const ids = randomIds()
  const bugs: object[] = []
  const log = { info() {}, warn() {}, error: (fields: object) => void bugs.push(fields) }
  const store = openStore({ dir: ':memory:', makeId: ids.database })
  const coordinator = new Coordinator({ store, clock: systemClock, ids, log }, { version: '0.1.0', flavors })
  const server = await serve({ coordinator, run: dir, ids, log })
  return {
    dir,
    coordinator,
    bugs,
    admin: connect(join(dir, 'admin.sock')),
    lease: (token) => connect(join(dir, 'lease.sock'), token),
    host: (facts) => dial(join(dir, 'agent.sock'), facts),
    async close() {
      coordinator.close()
      await server.close()
      rmSync(dir, { recursive: true })
    },
  }
}

async function dial(path: string, facts: HostFacts): Promise<DialledHost> {
  const socket = new WebSocket(`ws+unix:${path}:${AGENT_PATH}`)
  await once(socket, 'open')
  const host = new FakeHost(facts)
  const welcomed = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      const frame: FromCoordinator = JSON.parse(String(data))
      host.take(frame)
      if (frame.type === 'wanted') resolve()
    })
  })
  host.attach({
    receive: (frame: FromAgent) => socket.send(JSON.stringify(frame)),
    malformed: () => {},
    closed: () => socket.terminate(),
  })
  host.hello()
  await welcomed
  return { host, socket }
}
