/** One command over an SSH connection: its streams, its end, and how it is stopped. */
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Client, ClientChannel } from 'ssh2'
import { SlipwayError } from '../model/index.ts'

/** A stopped command gets this long after TERM, and again after KILL, before it is left to itself. */
const STOP_GRACE_MS = 2_000
/** A command that has ended, with its output still held open by what it left running, is over after this silence. */
const LINGER_MS = 1_000
/** Three pipelines listen to one channel; node would warn, in the job's log, at eleven listeners. */
const CHANNEL_LISTENERS_MAX = 32

/** Of one walk, to be killed again: more would not fit a command line. */
const PROCESSES_MAX = 1_000
const WALK_MS = 2_000
/** A guest that says more is not listing its processes. */
const WALK_CHARS_MAX = 16 * 1024

export interface Exec {
  /** Closed at once when absent: a script cannot eat what follows it. */
  readonly stdin?: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  /** Aborting stops the remote command and all it started: TERM, then KILL. */
  readonly signal: AbortSignal
  readonly stopGraceMs?: number
}

/** How a remote command ended: by itself, or by a signal (`SIGTERM`). */
export type Exit = { readonly code: number } | { readonly signal: string }

/** A connection that is up. */
export interface Connection {
  readonly client: Client
  readonly machine: string
  /** Aborts, with the error to report, once the connection is over. */
  readonly lost: AbortSignal
}

/** Runs `command` in the user's shell. Rejects with the reason of `signal`, or with `ssh_failed`. */
export async function runCommand(connection: Connection, command: string, exec: Exec): Promise<Exit> {
  const { machine, lost } = connection
  exec.signal.throwIfAborted()
  lost.throwIfAborted()
  const running = await openChannel(connection, command)
  const { channel } = running
  const over = new AbortController()
  let stopped: Promise<void> | undefined
  const stop = (): void => {
    stopped = stopCommand(connection, running, exec.stopGraceMs ?? STOP_GRACE_MS).finally(() => over.abort())
  }
  const cut = (): void => over.abort()
  exec.signal.addEventListener('abort', stop, { once: true })
  lost.addEventListener('abort', cut, { once: true })
  if (exec.signal.aborted) stop()
  try {
    feed(channel, exec.stdin, over.signal)
    const streams = Promise.all([
      running.closed,
      pipeline(channel, exec.stdout, { end: false, signal: over.signal }),
      pipeline(channel.stderr, exec.stderr, { end: false, signal: over.signal }),
    ])
    await Promise.race([streams, lingering(running, exec.signal, over.signal)])
  } catch (error) {
    exec.signal.throwIfAborted()
    lost.throwIfAborted()
    throw sshFailed(machine, String(error), error)
  } finally {
    exec.signal.removeEventListener('abort', stop)
    lost.removeEventListener('abort', cut)
    // The command may have ended before the walk reached all it had started.
    await stopped
    over.abort()
    channel.destroy()
  }
  exec.signal.throwIfAborted()
  lost.throwIfAborted()
  const exit = running.exit()
  if (exit === undefined) throw sshFailed(machine, 'the command ended without a status')
  return exit
}

export const sshFailed = (machine: string, detail: string, cause?: unknown): SlipwayError =>
  new SlipwayError('ssh_failed', { machine, detail }, { cause })

interface Running {
  readonly channel: ClientChannel
  /** How the command ended; undefined until the server says so. */
  readonly exit: () => Exit | undefined
  readonly exited: Promise<void>
  /** Nothing more will come. */
  readonly closed: Promise<void>
}

/** The end is watched from inside the callback: a server may send it in the segment that accepts the command. */
function openChannel({ client, machine, lost }: Connection, command: string): Promise<Running> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(lost.reason)
    lost.addEventListener('abort', give, { once: true })
    open(client, command, (cause, channel) => {
      lost.removeEventListener('abort', give)
      if (channel === undefined) return reject(sshFailed(machine, String(cause), cause))
      channel.setMaxListeners(CHANNEL_LISTENERS_MAX)
      let exit: Exit | undefined
      const exited = new Promise<void>((done) => {
        channel.on('exit', (code: number | null, signal?: string) => {
          exit = code === null ? { signal: signal ?? 'unknown' } : { code }
          done()
        })
      })
      const closed = new Promise<void>((done) => channel.on('close', () => done()))
      resolve({ channel, exit: () => exit, exited, closed })
    })
  })
}

/** `client.exec`, which throws on a connection that has just closed. */
function open(
  client: Client,
  command: string,
  done: (cause: unknown, channel?: ClientChannel) => void,
): void {
  try {
    client.exec(command, (cause, channel) => (cause ? done(cause) : done(undefined, channel)))
  } catch (cause) {
    done(cause)
  }
}

function feed(channel: ClientChannel, stdin: Readable | undefined, signal: AbortSignal): void {
  if (stdin === undefined) return void channel.end()
  // A command that stops reading is no failure: how it ends is what counts.
  pipeline(stdin, channel, { signal }).catch(() => undefined)
}

/**
 * Resolves when the command has ended and nothing came for a while, though its channel stays open: sshd keeps it open
 * for as long as any process it left behind holds its output, e.g. a service that a test script started.
 */
async function lingering(
  { channel, exited }: Running,
  stopped: AbortSignal,
  over: AbortSignal,
): Promise<void> {
  await exited
  await new Promise<void>((resolve) => {
    let quiet = false
    const noise = (): void => {
      quiet = false
    }
    channel.on('data', noise)
    channel.stderr.on('data', noise)
    const look = (): void => {
      // What is buffered waits for a slow reader on our side: that is no silence.
      const drained = channel.readableLength === 0 && channel.stderr.readableLength === 0
      if (quiet && drained && !stopped.aborted) resolve()
      quiet = true
    }
    const timer = setInterval(look, LINGER_MS)
    over.addEventListener('abort', () => clearInterval(timer), { once: true })
  })
}

/**
 * TERM, then KILL to what is left, until nothing holds the command's output any more. Where there is no process tree to
 * walk (no /proc), a signal is requested of the server: dropbear sends it to the command alone, sshd to its process
 * group, but for root not at all, having no second process to send it from.
 */
async function stopCommand({ client, lost }: Connection, running: Running, graceMs: number): Promise<void> {
  let processes: readonly string[] = []
  for (const name of ['TERM', 'KILL']) {
    if (lost.aborted) return
    processes = [...processes, ...(await killSiblings(client, name, processes))]
    if (processes.length === 0) requestSignal(client, running.channel, name)
    if (await within(graceMs, running.closed)) return
  }
}

/**
 * A second command on the same connection, which works for root too. Its parent is the same server process, whose other
 * children are what we started; with sshd each leads a process group, with dropbear none does, so the tree is walked
 * as well. `known` are processes of an earlier walk, whose parents may be gone by now.
 */
function killSiblings(client: Client, name: string, known: readonly string[]): Promise<readonly string[]> {
  const walk = [
    'k() { l=$(cat /proc/$1/task/*/children); echo $1',
    `kill -${name} -$1 || kill -${name} $1`,
    'for c in $l; do k $c; done; }',
    `for p in ${known.join(' ')} $(cat /proc/$PPID/task/$PPID/children); do [ $p = $$ ] || k $p; done`,
  ]
  return new Promise((resolve) => {
    let text = ''
    let walking: ClientChannel | undefined
    const end = (): void => {
      clearTimeout(timer)
      // Unread, its window fills up: `destroy` of ssh2 alone would still take in all that comes.
      walking?.pause().destroy()
      resolve(text.match(/\d+/g)?.slice(0, PROCESSES_MAX) ?? [])
    }
    const timer = setTimeout(end, WALK_MS)
    open(client, `exec 2>/dev/null; ${walk.join('; ')}`, (_cause, channel) => {
      if (channel === undefined) return end()
      walking = channel
      channel.stderr.resume()
      channel.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1', 0, WALK_CHARS_MAX)
        if (text.length > WALK_CHARS_MAX) end()
      })
      channel.on('close', end)
    })
  })
}

/** `channel.signal` of ssh2 1.17 drops every signal once stdin is closed, so this goes below it (RFC 4254, 6.9). */
function requestSignal(client: Client, channel: ClientChannel, name: string): void {
  const below = { client, channel } as unknown as {
    readonly client: { readonly _protocol: { signal(channel: number, name: string): void } }
    readonly channel: { readonly outgoing: { readonly id: number; readonly state: string } }
  }
  const { id, state } = below.channel.outgoing
  if (state !== 'closed' && state !== 'closing') below.client._protocol.signal(id, name)
}

function within(deadlineMs: number, end: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), deadlineMs)
    end.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
