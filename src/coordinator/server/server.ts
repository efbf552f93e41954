/** All sockets of a coordinator. */
import { join } from 'node:path'
import { sleep, systemClock } from '../../model/index.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Ids, Log } from '../ports.ts'
import { makeAgentServer } from './agents.ts'
import { addConsole } from './console.ts'
import { makeHandlers } from './handlers.ts'
import { CONNECTIONS_MAX, makeHttp } from './http.ts'
import { listenOn } from './listen.ts'
import { Streams } from './streams.ts'
import { Visits } from './visits.ts'

/** May open the admin socket: its members are operators. */
const ADMIN_GROUP = 'slipway'
/** May open the lease socket: the runner's user. */
const RUNNER_GROUP = 'slipway-runner'
const CLOSE_MS_MAX = 5_000

export interface Server {
  /** Ends every connection and removes the sockets. */
  close(): Promise<void>
}

/** Serves `coordinator` on admin.sock, lease.sock and agent.sock of directory `run`. */
export async function serve({
  coordinator,
  run,
  ids,
  log,
}: {
  readonly coordinator: Coordinator
  readonly run: string
  readonly ids: Ids
  readonly log: Log
}): Promise<Server> {
  const visits = new Visits({ connectionsMax: CONNECTIONS_MAX })
  const handlers = makeHandlers(coordinator, visits)
  const streams = new Streams()
  const admin = makeHttp({ scope: 'admin', coordinator, handlers, visits, log })
  await addConsole(admin, { coordinator, streams, ids })
  const lease = makeHttp({ scope: 'lease', coordinator, handlers, visits, log })
  const agent = await makeAgentServer({ coordinator, streams, log })
  const complain = (path: string, group: string): void => log.warn({ path, group }, 'socket_group_missing')
  const apps = [agent, admin, lease]
  const close = async (): Promise<void> => {
    const late = new AbortController()
    const closed = Promise.all(apps.map((app) => app.close()))
    await Promise.race([closed, sleep(systemClock, CLOSE_MS_MAX, late.signal).catch(() => undefined)])
    late.abort()
  }
  try {
    await listenOn(agent, { path: join(run, 'agent.sock') }, complain)
    await listenOn(admin, { path: join(run, 'admin.sock'), group: ADMIN_GROUP }, complain)
    await listenOn(lease, { path: join(run, 'lease.sock'), group: RUNNER_GROUP }, complain)
  } catch (error) {
    await close()
    throw error
  }
  return { close }
}
