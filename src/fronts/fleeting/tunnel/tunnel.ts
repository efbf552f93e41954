/**
 * The near end of a way to one machine on another host: a port of the loopback, since a runner dials what it is told and
 * checks no host key. Each connection is carried to the machine, whose server shows the pinned key first, or nothing
 * else of it comes through.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { parseHostKey } from '../../../guest/index.ts'
import { type Access, SlipwayError } from '../../../model/index.ts'
import { carry, SOCKET } from './connection.ts'

export interface TunnelOptions {
  readonly access: Pick<Access, 'address' | 'port' | 'hostKey'>
  /** Named in errors. */
  readonly instance: string
  /** Of a connection, by the machine's doing. */
  readonly onFailure: (error: SlipwayError) => void
  readonly exchangeMs?: number
  readonly closingMs?: number
  /** How long the port stays taken after `close`: whoever still has it shall find nobody else there. */
  readonly restMs: number
  /** Ends it at once, the port too. */
  readonly signal: AbortSignal
}

export interface Tunnel {
  readonly address: string
  readonly port: number
  /** Cuts its connections, and lets no more through. */
  close(): void
}

/** A runner's jobs in one machine. */
const CONNECTIONS_MAX = 64
const NEAR = '127.0.0.1'

/** Throws `ssh_failed` where the reported key is none that could be shown, `host_setup` where there is no port. */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { instance, access, restMs, signal, onFailure } = options
  const pinned = parseHostKey(access.hostKey)
  if (pinned === undefined)
    throw new SlipwayError('ssh_failed', {
      machine: instance,
      detail: 'the reported host key is not understood',
    })
  signal.throwIfAborted()
  const open = new Set<Socket>()
  let closed = false
  const serve = async (near: Socket): Promise<void> => {
    near.on('error', () => undefined)
    if (closed) return void near.destroy()
    open.add(near)
    const failure = await carry(near, { ...options, pinned })
    open.delete(near)
    if (failure !== undefined && !closed) onFailure(failure)
  }
  const server = createServer(SOCKET, (near) => void serve(near))
  server.maxConnections = CONNECTIONS_MAX
  const cut = (): void => {
    closed = true
    for (const near of open) near.destroy()
  }
  const end = (): void => {
    cut()
    server.close()
  }
  signal.addEventListener('abort', end, { once: true })
  server.once('close', () => signal.removeEventListener('abort', end))
  return {
    address: NEAR,
    port: await listen(server, instance),
    close: () => {
      if (closed) return
      cut()
      setTimeout(() => server.close(), restMs).unref()
    },
  }
}

async function listen(server: Server, instance: string): Promise<number> {
  try {
    await once(server.listen(0, NEAR), 'listening')
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new SlipwayError('host_setup', { object: `the tunnel to ${instance}`, detail }, { cause })
  }
  // A connection that cannot be accepted, for want of files say, is lost; the tunnel is not.
  server.on('error', () => undefined)
  return (server.address() as AddressInfo).port
}
