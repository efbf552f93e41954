/**
 * SSH into a machine, with the host key pinned to the one its guest reported. Used by the fronts (a job's stages),
 * the command line and the agent (the last check before a machine is ready).
 *
 * A connection that goes silent is given up after three keepalive periods, so that a dead machine is noticed within
 * 15 s even while a script prints nothing.
 */
import { connect as dial } from 'node:net'
import { Readable, Writable } from 'node:stream'
import ssh2, { type Client, type ServerHostKeyAlgorithm } from 'ssh2'
import { type Access, SlipwayError, within } from '../model/index.ts'
import { type Connection, type Exec, type Exit, runCommand, sshFailed } from './command.ts'
import { parseHostKey } from './host-key.ts'

const CONNECT_DEADLINE_MS = 15_000
const KEEPALIVE_MS = 5_000
/** Unanswered keepalives before the next one gives up. */
const KEEPALIVES_UNANSWERED_MAX = 2
const WRITE_DEADLINE_MS = 60_000
const STDERR_CHARS_MAX = 400
/**
 * OpenSSH tells each client all its host keys, and `ssh2` has it prove each: a second signature of the key that was
 * pinned, an eighth of a login. It tells no client that introduces itself like this (compat.c, SSH_BUG_HOSTKEYS).
 */
const IDENT = 'TTSSH/2.72 slipway'

export interface ConnectOptions {
  readonly access: Access
  /** Named in errors. */
  readonly machine: string
  readonly signal: AbortSignal
  readonly deadlineMs?: number
  readonly keepaliveMs?: number
}

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
    [Symbol.dispose]: () => void client.destroy(),
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
      ident: IDENT,
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

function watch(client: Client, machine: string): Connection {
  const controller = new AbortController()
  client.on('error', (cause) => controller.abort(sshFailed(machine, cause.message, cause)))
  client.on('close', () => controller.abort(sshFailed(machine, 'the connection closed')))
  return { client, machine, lost: controller.signal }
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
