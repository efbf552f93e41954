/**
 * All of Slipway on this host, in the foreground: the coordinator under its own user, the agent as root, each a child
 * in a session of its own. Ending leaves nothing: the agent destroys all machines first, then the coordinator stops.
 * A second Ctrl-C ends this process at once; the children notice and clean up behind it.
 */
import { chmod, chown, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../../api/index.ts'
import { ensureOwnFolder } from '../../files/index.ts'
import { SlipwayError, sleep, systemClock, within } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { reach } from '../reach.ts'
import { requireRoot } from '../root.ts'
import { startChild } from '../up/child.ts'
import { keepRunning } from '../up/keep-running.ts'
import { lockRunDirectory } from '../up/lock.ts'
import { logLine } from '../up/log-line.ts'
import { type Account, ensureUsers } from '../up/users.ts'
import { usersGone } from '../up/while-stdin.ts'

/** Where an earlier Slipway that was killed is still cleaning up behind itself, we wait this long. */
const PATIENCE_MS = 75_000
const CONNECT_DEADLINE_MS = 30_000
const LOOK_MS = 50
/** The agent destroys all machines first. */
const AGENT_GRACE_MS = 90_000
const COORDINATOR_GRACE_MS = 10_000

export async function main(call: Call): Promise<number> {
  requireRoot('slipway up')
  const account = await ensureUsers()
  const { readConfig } = await import('../../coordinator/index.ts')
  const { run, state } = await readConfig(call.config)
  const program = join(run, 'program')
  await prepareFolders({ run, state, program, account })
  await lockRunDirectory(run)
  const client = await reach(call)
  const stopCoordinator = new AbortController()
  const stopAgent = new AbortController()
  const coordinator = keep({
    call,
    name: 'coordinator',
    signal: stopCoordinator.signal,
    stopGraceMs: COORDINATOR_GRACE_MS,
    // Its user may not be able to reach a checkout in somebody's home.
    mountedOn: program,
  })
  const agent = keep({ call, name: 'agent', signal: stopAgent.signal, stopGraceMs: AGENT_GRACE_MS })
  const failed = Promise.race([coordinator.ended, agent.ended])
  failed.catch(() => undefined)
  const done = new AbortController()
  const over = AbortSignal.any([call.io.signal, done.signal])
  try {
    await Promise.race([failed, aborted(over), Promise.all([coordinator.ready, agent.ready])])
    if (!over.aborted) await Promise.race([failed, announce({ call, client, run, signal: over })])
    const unused = call.options.flag('whileStdin') ? usersGone(call.io.stdin, client, over) : NEVER
    await Promise.race([failed, aborted(over), unused])
  } finally {
    done.abort()
    stopAgent.abort()
    await agent.ended.catch(() => undefined)
    stopCoordinator.abort()
    await coordinator.ended.catch(() => undefined)
  }
  return EXIT.ok
}

const NEVER = new Promise<never>(() => undefined)

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

interface Keep {
  readonly call: Call
  readonly name: 'coordinator' | 'agent'
  readonly signal: AbortSignal
  readonly stopGraceMs: number
  readonly mountedOn?: string
}

interface Kept {
  /** Resolves when it serves for the first time. */
  readonly ready: Promise<void>
  readonly ended: Promise<void>
}

function keep({ call, name, signal, stopGraceMs, ...place }: Keep): Kept {
  const { stderr } = call.io
  const line = (text: string): void =>
    void stderr.write(call.json ? `${text}\n` : logLine(text, { process: name, stream: stderr }))
  const patientUntil = systemClock.now() + PATIENCE_MS
  const first = Promise.withResolvers<void>()
  const ended = keepRunning({
    name,
    start: () =>
      startChild({ args: ['--config', call.config, name, '--while-stdin', '--json'], line, ...place }),
    clock: systemClock,
    signal,
    stopGraceMs,
    ready: first.resolve,
    passes: ({ code }) =>
      (code === 'coordinator_running' || code === 'agent_running') && systemClock.now() < patientUntil,
    say: (text) => line(JSON.stringify({ level: 'warn', time: systemClock.wall(), msg: text })),
  })
  return { ready: first.promise, ended }
}

interface Announcement {
  readonly call: Call
  readonly client: Client
  readonly run: string
  readonly signal: AbortSignal
}

/** Waits until the agent has met the coordinator, and prints the one line that others wait for. */
async function announce({ call, client, run, signal }: Announcement): Promise<void> {
  const step = 'the agent to meet the coordinator'
  const { host, facts } = await within({ step, deadlineMs: CONNECT_DEADLINE_MS, signal }, (inner) =>
    met(client, inner),
  )
  const ready = {
    host,
    acceleration: facts?.acceleration ?? 'unknown',
    images: facts?.images.map(({ name }) => name) ?? [],
    admin: join(run, 'admin.sock'),
    lease: join(run, 'lease.sock'),
  }
  const images = ready.images.join(', ') || 'none yet'
  call.io.print(
    call.json
      ? `${JSON.stringify({ ready: true, ...ready })}\n`
      : `ready: host ${host} (${ready.acceleration}), images ${images}, sockets ${ready.admin} ${ready.lease}\n`,
  )
}

async function met(client: Client, signal: AbortSignal) {
  for (;;) {
    const { hosts } = await client.call('hostList', { signal })
    const found = hosts.find(({ connected, facts }) => connected && facts !== undefined)
    if (found !== undefined) return found
    await sleep(systemClock, LOOK_MS, signal)
  }
}

interface Folders {
  readonly run: string
  readonly state: string
  /** Where the coordinator sees this installation. */
  readonly program: string
  readonly account: Account
}

/**
 * The run directory is sticky and group-writable: the coordinator makes its sockets there, and cannot touch the folder
 * of the root agent beside them.
 */
async function prepareFolders({ run, state, program, account }: Folders): Promise<void> {
  try {
    await mkdir(run, { recursive: true })
    await chown(run, 0, account.gid)
    await chmod(run, 0o1775)
    await mkdir(state, { recursive: true })
    await chown(state, account.uid, account.gid)
    await chmod(state, 0o700)
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new SlipwayError('host_setup', { object: `${run} and ${state}`, detail }, { cause })
  }
  await ensureOwnFolder(program, 0o755)
}
