/**
 * SSH into a machine, with the host key pinned to the one its guest reported. Used by the fronts (a job's stages),
 * the command line and the agent (the last check before a machine is ready).
 *
 * A connection that goes silent is given up after three keepalive periods, so that a dead machine is noticed within
 * 15 s even while a script prints nothing.
 */
import { connect as dial } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import ssh2, { type Client, type ClientChannel, type ServerHostKeyAlgorithm } from 'ssh2'
import { type Access, SlipwayError, within } from '../model/index.ts'
import { parseHostKey } from './host-key.ts'

const CONNECT_DEADLINE_MS = 15_000
const KEEPALIVE_MS = 5_000
/** Unanswered keepalives before the next one gives up. */
const KEEPALIVES_UNANSWERED_MAX = 2
/** A stopped command gets this long after TERM, and again after KILL, before its channel is cut. */
const STOP_GRACE_MS = 2_000
const WRITE_DEADLINE_MS = 60_000
const STDERR_CHARS_MAX = 400
/** Three pipelines listen to one channel; node would warn, in the job's log, at eleven listeners. */
const CHANNEL_LISTENERS_MAX = 32

export interface ConnectOptions {
  readonly access: Access
  /** Named in errors. */
  readonly machine: string
  readonly signal: AbortSignal
  readonly deadlineMs?: number
  readonly keepaliveMs?: number
}

export interface Exec {
  /** Closed at once when absent: a script cannot eat what follows it. */
  readonly stdin?: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  /** Aborting stops the remote command: TERM, then KILL, to its whole process group. */
  readonly signal: AbortSignal
  readonly stopGraceMs?: number
}

/** How a remote command ended: by itself, or by a signal (`SIGTERM`). */
export type Exit = { readonly code: number } | { readonly signal: string }

export interface GuestSsh extends Disposable {
  /** Runs `command` in the user's shell; rejects with `ssh_failed` when the connection ends before the command. */
  exec(command: string, options: Exec): Promise<Exit>
  /** Writes a file only its user can read, replacing one that is there. */
  writeFile(path: string, contents: string, signal: AbortSignal): Promise<void>
}

/** Connects and authenticates, or throws `ssh_failed`, `host_key_mismatch` or `timed_out`. */
export async function connectSsh(options: ConnectOptions): Promise<GuestSsh> {
  const { machine, signal, deadlineMs = CONNECT_DEADLINE_MS } = options
  const step = `connecting to ${machine} by SSH`
  const client = await within({ step, deadlineMs, signal }, (inner) => handshake(options, inner))
  const connection = watch(client, machine)
  return {
    exec: (command, exec) => runCommand(connection, command, exec),
    writeFile: (path, contents, fileSignal) => writeFile(connection, path, contents, fileSignal),
    [Symbol.dispose]: () => void client.end(),
  }
}

/** `text` as one word of a POSIX shell. */
export const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

function handshake(options: ConnectOptions, signal: AbortSignal): Promise<Client> {
  const { access, machine, keepaliveMs = KEEPALIVE_MS } = options
  const pinned = parseHostKey(access.hostKey)
  if (pinned === undefined) {
    throw new SlipwayError('ssh_failed', { machine, detail: 'the reported host key is not understood' })
  }
  const client = new ssh2.Client()
  let mismatch = false
  return new Promise((resolve, reject) => {
    const onAbort = (): void => fail(signal.reason)
    const onClose = (): void => fail(sshFailed(machine, 'the connection closed'))
    const onError = (cause: Error): void => {
      const code = mismatch ? 'host_key_mismatch' : 'ssh_failed'
      fail(new SlipwayError(code, { machine, detail: cause.message }, { cause }))
    }
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      client.off('close', onClose).off('error', onError)
    }
    const fail = (reason: unknown): void => {
      settle()
      client.on('error', () => undefined)
      client.destroy()
      reject(reason)
    }
    if (signal.aborted) return reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    client.on('close', onClose).on('error', onError)
    client.once('ready', () => {
      settle()
      resolve(client)
    })
    client.connect({
      // Without Nagle's algorithm, which costs a delayed acknowledgement (40 ms) in each of the handshake's turns.
      sock: dial({ host: access.address, port: access.port, noDelay: true }),
      username: access.user,
      privateKey: access.privateKey.reveal(),
      authHandler: ['publickey'],
      algorithms: { serverHostKey: [...pinned.algorithms] as ServerHostKeyAlgorithm[] },
      hostVerifier: (key: Buffer) => {
        mismatch = !pinned.matches(key)
        return !mismatch
      },
      readyTimeout: 0,
      keepaliveInterval: keepaliveMs,
      keepaliveCountMax: KEEPALIVES_UNANSWERED_MAX,
    })
  })
}

interface Connection {
  readonly client: Client
  readonly machine: string
  /** Aborts, with the error to report, once the connection is over. */
  readonly lost: AbortSignal
}

function watch(client: Client, machine: string): Connection {
  const controller = new AbortController()
  client.on('error', (cause) => controller.abort(sshFailed(machine, cause.message, cause)))
  client.on('close', () => controller.abort(sshFailed(machine, 'the connection closed')))
  return { client, machine, lost: controller.signal }
}

const sshFailed = (machine: string, detail: string, cause?: unknown): SlipwayError =>
  new SlipwayError('ssh_failed', { machine, detail }, { cause })

async function runCommand(connection: Connection, command: string, exec: Exec): Promise<Exit> {
  const { client, machine, lost } = connection
  exec.signal.throwIfAborted()
  lost.throwIfAborted()
  const { channel, ended } = await openChannel(connection, command)
  const stop = (): void => void stopCommand(client, channel, exec.stopGraceMs ?? STOP_GRACE_MS)
  const cut = (): void => void channel.destroy()
  const fed = new AbortController()
  exec.signal.addEventListener('abort', stop, { once: true })
  lost.addEventListener('abort', cut, { once: true })
  if (exec.signal.aborted) stop()
  try {
    feed(channel, exec.stdin, fed.signal)
    const [exit] = await Promise.all([
      ended,
      pipeline(channel, exec.stdout, { end: false }),
      pipeline(channel.stderr, exec.stderr, { end: false }),
    ])
    exec.signal.throwIfAborted()
    lost.throwIfAborted()
    if (exit === undefined) throw sshFailed(machine, 'the command ended without a status')
    return exit
  } catch (error) {
    channel.destroy()
    exec.signal.throwIfAborted()
    lost.throwIfAborted()
    throw error instanceof SlipwayError ? error : sshFailed(machine, String(error), error)
  } finally {
    fed.abort()
    exec.signal.removeEventListener('abort', stop)
    lost.removeEventListener('abort', cut)
  }
}

interface Opened {
  readonly channel: ClientChannel
  /** The command's end, once its channel closed; undefined when the server never said. */
  readonly ended: Promise<Exit | undefined>
}

/** The end is watched from inside the callback: a server may send it in the segment that accepts the command. */
function openChannel({ client, machine, lost }: Connection, command: string): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(lost.reason)
    lost.addEventListener('abort', give, { once: true })
    client.exec(command, (cause, channel) => {
      lost.removeEventListener('abort', give)
      if (cause) return reject(sshFailed(machine, cause.message, cause))
      channel.setMaxListeners(CHANNEL_LISTENERS_MAX)
      let exit: Exit | undefined
      channel.on('exit', (code: number | null, signal?: string) => {
        exit = code === null ? { signal: signal ?? 'unknown' } : { code }
      })
      const ended = new Promise<Exit | undefined>((done) => channel.on('close', () => done(exit)))
      resolve({ channel, ended })
    })
  })
}

function feed(channel: ClientChannel, stdin: Readable | undefined, signal: AbortSignal): void {
  if (stdin === undefined) return void channel.end()
  // A command that stops reading is no failure: how it ends is what counts.
  pipeline(stdin, channel, { signal }).catch(() => undefined)
}

/** sshd passes the signal on to the command's process group (OpenSSH 7.9 and later, dropbear). */
async function stopCommand(client: Client, channel: ClientChannel, graceMs: number): Promise<void> {
  for (const name of ['TERM', 'KILL']) {
    sendSignal(client, channel, name)
    if (await closedWithin(channel, graceMs)) return
  }
  channel.destroy()
}

/** `channel.signal` of ssh2 1.17 drops every signal once stdin is closed, so this goes below it (RFC 4254, 6.9). */
function sendSignal(client: Client, channel: ClientChannel, name: string): void {
  const below = { client, channel } as unknown as {
    readonly client: { readonly _protocol: { signal(channel: number, name: string): void } }
    readonly channel: { readonly outgoing: { readonly id: number; readonly state: string } }
  }
  const { id, state } = below.channel.outgoing
  if (state !== 'closed' && state !== 'closing') below.client._protocol.signal(id, name)
}

function closedWithin(channel: ClientChannel, graceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (closed: boolean) => (): void => {
      clearTimeout(timer)
      channel.off('close', onClose)
      resolve(closed)
    }
    const onClose = done(true)
    const timer = setTimeout(done(false), graceMs)
    channel.once('close', onClose)
  })
}

async function writeFile(
  connection: Connection,
  path: string,
  contents: string,
  signal: AbortSignal,
): Promise<void> {
  const stderr = new Tail()
  const step = `writing ${path} in ${connection.machine}`
  const exit = await within({ step, deadlineMs: WRITE_DEADLINE_MS, signal }, (inner) =>
    runCommand(connection, `umask 077 && cat > ${shellQuote(path)}`, {
      stdin: Readable.from([contents]),
      stdout: new Tail(),
      stderr,
      signal: inner,
    }),
  )
  if ('code' in exit && exit.code === 0) return
  throw sshFailed(connection.machine, `writing ${path} failed: ${stderr.text.trim()}`)
}

/** Keeps the start of what is written to it, for an error's text. */
class Tail extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text = (this.text + chunk.toString()).slice(0, STDERR_CHARS_MAX)
    done()
  }
}
