/** Sockets with the permissions they need from the first moment, and nobody else's socket taken away. */
import { chmodSync, chownSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { SlipwayError } from '../../model/index.ts'

export interface Place {
  readonly path: string
  /** Who may connect besides the owner; absent: the owner (and root) alone. */
  readonly group?: string
}

/** Clients that knock at the same moment; a unix socket turns further ones away (EAGAIN). The kernel's own limit is net.core.somaxconn. */
const BACKLOG = 4_096

/** The group of a socket is missing, or not ours to give. */
export type Complaint = (path: string, group: string) => void

/** Listens on `path`; throws `coordinator_running` if somebody answers there. The umask must deny others all. */
export async function listenOn(
  app: FastifyInstance,
  { path, group }: Place,
  complain: Complaint,
): Promise<void> {
  if (await answers(path)) throw new SlipwayError('coordinator_running', { pid: 'unknown', dir: path })
  try {
    rmSync(path, { force: true })
    await app.listen({ path, backlog: BACKLOG })
    chmodSync(path, 0o600)
    if (group !== undefined) openTo(path, group, complain)
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new SlipwayError('host_setup', { object: `socket ${path}`, detail }, { cause })
  }
}

function openTo(path: string, group: string, complain: Complaint): void {
  const gid = groupId(group)
  if (gid === undefined || process.getuid === undefined) {
    complain(path, group)
    return
  }
  try {
    chownSync(path, process.getuid(), gid)
    chmodSync(path, 0o660)
  } catch {
    complain(path, group)
  }
}

/** group(5). */
function groupId(name: string): number | undefined {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`))
  const gid = line?.split(':')[2]
  return gid === undefined ? undefined : Number(gid)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
