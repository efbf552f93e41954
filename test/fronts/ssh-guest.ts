/** A guest without a machine: an SSH server in this process that runs each command here, in a process group of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import ssh2, { type Connection, type ServerChannel } from 'ssh2'
import type { Reply } from '../../src/api/index.ts'
import { sshKeys } from './ssh-keys.ts'

/** In ssh2 1.17, not yet in its types. */
interface NoDelay extends Connection {
  setNoDelay(on: boolean): void
}

export class SshGuest {
  /** Stands for the guest's /tmp. */
  readonly #directory: string
  readonly #host = sshKeys()
  readonly #user = sshKeys()
  readonly #connections = new Set<Connection>()
  readonly #children = new Set<ChildProcess>()
  #crashed = false
  // Signals are read from the server's trace: once stdin is closed its events no longer tell of them.
  readonly #server = new ssh2.Server(
    {
      hostKeys: [this.#host.private],
      debug: (line) => this.#signal(/Inbound:.*signal: (\w+)/.exec(line)?.[1]),
    },
    (connection) => this.#serve(connection),
  )

  constructor(directory: string) {
    this.#directory = directory
  }

  async start(address = '127.0.0.1'): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, address, resolve))
  }

  get access(): Reply<'leaseAccess'> {
    const { address, port } = this.#server.address() as AddressInfo
    const { public: hostKey } = this.#host
    return { address, port, user: 'root', hostKey, privateKey: this.#user.private }
  }

  /** Commands that still run. */
  get running(): number {
    return this.#children.size
  }

  /** As a machine that is gone: its connections break, its processes die with it. */
  crash(): void {
    this.#crashed = true
    for (const connection of this.#connections) connection.end()
    for (const child of this.#children) kill(child, 'SIGKILL')
  }

  async stop(): Promise<void> {
    this.crash()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(connection: Connection): void {
    this.#connections.add(connection)
    ;(connection as NoDelay).setNoDelay(true)
    const pinned = ssh2.utils.parseKey(this.#user.public)
    connection.on('error', () => undefined)
    connection.on('close', () => this.#connections.delete(connection))
    connection.on('authentication', (context) => {
      const known =
        context.method === 'publickey' &&
        !(pinned instanceof Error) &&
        context.key.data.equals(pinned.getPublicSSH())
      if (known) context.accept()
      else context.reject(['publickey'])
    })
    connection.on('session', (accept) => {
      const session = accept()
      session.on('exec', (acceptExec, _reject, { command }) => {
        // It kills its parent's other children. Here that would be the test's own.
        if (command.includes('$PPID')) acceptExec().end()
        else this.#run(command, acceptExec())
      })
    })
  }

  #signal(name: string | undefined): void {
    if (name === undefined) return
    for (const child of this.#children) kill(child, `SIG${name}` as NodeJS.Signals)
  }

  #run(command: string, channel: ServerChannel): void {
    const here = command.replaceAll('/tmp/slipway-', `${this.#directory}/slipway-`)
    const child = spawn('sh', ['-c', here], { stdio: 'pipe', detached: true })
    this.#children.add(child)
    channel.pipe(child.stdin)
    child.stdin.on('error', () => undefined)
    child.stdout.pipe(channel, { end: false })
    child.stderr.pipe(channel.stderr, { end: false })
    // As sshd does it: the code at once, the end when nothing holds the output any more.
    child.on('exit', (code, signal) => {
      this.#children.delete(child)
      if (this.#crashed) return
      if (signal === null) channel.exit(code ?? 1)
      else channel.exit(signal, false, '')
    })
    child.on('close', () => channel.end())
  }
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // It ended by itself in the meantime.
  }
}
