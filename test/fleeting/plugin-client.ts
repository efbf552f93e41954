/** One life of the plugin under GitLab's own library: commands as a runner gives them, answers as it hears them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const plugin = join(import.meta.dirname, '../../bin/fleeting-plugin-slipway')

export interface Listed {
  readonly instance: string
  readonly state: 'creating' | 'running' | 'deleting' | 'deleted' | 'timeout'
}

/** As Go writes it; `key` is base64. */
export interface ConnectInfo {
  readonly ID: string
  readonly id: string
  readonly os: string
  readonly arch: string
  readonly protocol: string
  readonly username: string
  readonly key: string
  readonly keepalive: number
  readonly timeout: number
  readonly external_addr: string
  readonly internal_addr: string
  readonly expires: string
}

interface Answer {
  readonly error?: string
  readonly value?: unknown
}

export class PluginClient implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly #exited: Promise<unknown>
  #log = ''

  constructor({ client, config, env = {}, namespace }: ClientOptions) {
    const text = typeof config === 'string' ? config : JSON.stringify(config)
    const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]
    const [program = client, ...args] = [...inside, client, plugin, text]
    this.#child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    this.#exited = once(this.#child, 'exit')
    this.#child.stdin?.on('error', () => undefined)
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk
    })
    const lines = createInterface({ input: this.#child.stdout ?? process.stdin })
    this.#answers = lines[Symbol.asyncIterator]()
  }

  /** What the plugin logged, as the runner re-logs it. */
  get log(): string {
    return this.#log
  }

  /** Of the plugin itself; the library logs it. */
  get pid(): number {
    const started = /"plugin started".*?"pid":(\d+)/.exec(this.#log)
    return Number(started?.[1])
  }

  /** One command; throws what the plugin answered when it refused. */
  async ask(command: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { error, value } = await this.tell(command)
    if (error !== undefined) throw new Error(error)
    return value
  }

  async tell(command: Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
    const { value, done } = await this.#answers.next()
    if (done === true) throw new Error(`the client ended: ${this.#log.slice(-2_000)}`)
    return JSON.parse(value)
  }

  init = (more: Readonly<Record<string, unknown>> = {}) => this.ask({ do: 'init', ...more })
  update = async () => (await this.ask({ do: 'update' })) as readonly Listed[]
  increase = (n: number) => this.ask({ do: 'increase', n })
  decrease = (...instances: readonly string[]) => this.ask({ do: 'decrease', instances })
  connectInfo = async (instance: string) => (await this.ask({ do: 'connectInfo', instance })) as ConnectInfo
  heartbeat = (instance: string) => this.ask({ do: 'heartbeat', instance })

  /** Resolves to the list once `n` of its instances run. */
  async running(n: number, deadlineMs = 30_000): Promise<readonly string[]> {
    const giveUpAt = performance.now() + deadlineMs
    for (;;) {
      const list = await this.update()
      const running = list.filter(({ state }) => state === 'running').map(({ instance }) => instance)
      if (running.length === n) return running
      if (performance.now() > giveUpAt)
        throw new Error(`${n} running wanted: ${JSON.stringify(list)}\n${this.#log.slice(-2_000)}`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }

  /** The runner dies. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** The runner ends, and ends its plugin first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end()
    await this.#exited
  }
}

export interface ClientOptions {
  readonly client: string
  readonly config: unknown
  readonly env?: Readonly<Record<string, string>>
  /** Network namespace, and with that the host, it runs on. */
  readonly namespace?: string
}
