/** The plugin without GitLab's library between: its process, its one line, and gRPC calls of our own making. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { plugin } from './plugin-client.ts'

export const COOKIE = { FLEETING_INSTANCE_GROUP_PLUGIN: '4c6410b1-cb78-4962-8c76-ab936d0ea908' }
const CALL_MS = 30_000

export type Told = { readonly value: unknown } | { readonly code: number; readonly details: string }

interface Method {
  readonly path: string
  readonly responseDeserialize: (bytes: Buffer) => unknown
}

export class RawPlugin implements AsyncDisposable {
  readonly child: ChildProcess
  /** Its first line; undefined when it ends without one. */
  readonly line: Promise<string | undefined>
  readonly ended: Promise<number | null>
  readonly #clients: Client[] = []
  stdout = ''
  stderr = ''

  constructor(env: Readonly<Record<string, string>>, args: readonly string[] = []) {
    this.child = spawn(plugin, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk
    })
    const first = Promise.withResolvers<string | undefined>()
    createInterface({ input: this.child.stdout ?? process.stdin }).on('line', (line) => {
      this.stdout += `${line}\n`
      first.resolve(line)
    })
    this.line = first.promise
    this.ended = once(this.child, 'close').then(([code]) => {
      first.resolve(undefined)
      return code
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  async socket(): Promise<string> {
    const socket = (await this.line)?.split('|')[3]
    if (socket === undefined) throw new Error(`no line: ${this.stderr}`)
    return socket
  }

  async client(): Promise<Client> {
    const client = new Client(`unix:${await this.socket()}`, credentials.createInsecure())
    this.#clients.push(client)
    return client
  }

  /** One call with the request's bytes as they are, so that they may be wrong. */
  static call(client: Client, { path, responseDeserialize }: Method, bytes: Buffer): Promise<Told> {
    return new Promise((resolve) => {
      client.makeUnaryRequest(
        path,
        (value: Buffer) => value,
        responseDeserialize,
        bytes,
        { deadline: Date.now() + CALL_MS },
        (error: ServiceError | null, value?: unknown) =>
          resolve(error === null ? { value } : { code: error.code, details: error.details }),
      )
    })
  }

  /** All of its connections break, as when the runner dies. */
  vanish(): void {
    for (const client of this.#clients.splice(0)) client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.vanish()
    // The second one that arrives is obeyed at once.
    const again = setInterval(() => this.child.kill('SIGTERM'), 50)
    await this.ended
    clearInterval(again)
  }
}
