/**
 * One job, as the small GitLab holds it.
 *
 *   pending ──request──► running ──update──► success | failed
 *      │                    └──cancel──► canceling ──update──► canceled
 *      └──cancel──► canceled
 */
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { within } from '../../src/model/index.ts'

export interface JobSpec {
  readonly name?: string
  readonly script: string | readonly string[]
  readonly afterScript?: readonly string[]
  readonly image?: string
  readonly variables?: Readonly<Record<string, string>>
  readonly artifacts?: { readonly paths: readonly string[]; readonly when?: 'always' | 'on_failure' }
  readonly cache?: { readonly key: string; readonly paths: readonly string[]; readonly policy?: CachePolicy }
  readonly timeoutS?: number
  /** Jobs whose artifacts this one gets. */
  readonly dependencies?: readonly Job[]
}

type CachePolicy = 'pull-push' | 'pull' | 'push'

export type JobState = 'pending' | 'running' | 'canceling' | JobEnd['state']

export interface JobEnd {
  readonly state: 'success' | 'failed' | 'canceled'
  readonly failureReason?: string
  readonly exitCode?: number
}

/** Long enough for a guest under emulation. */
const WAIT_MS = 300_000

export class Job {
  readonly id: number
  readonly spec: JobSpec
  readonly token = `glcbt-${randomBytes(12).toString('hex')}`
  readonly #changed = new EventEmitter().setMaxListeners(0)
  state: JobState = 'pending'
  /** What the runner sent, as it came. */
  trace: Buffer = Buffer.alloc(0)
  artifacts: Buffer | undefined
  #end: JobEnd | undefined

  constructor(id: number, spec: JobSpec) {
    this.id = id
    this.spec = spec
  }

  /** The log as text. */
  get log(): string {
    return this.trace.toString()
  }

  append(chunk: Buffer): void {
    this.trace = Buffer.concat([this.trace, chunk])
    this.#changed.emit('change')
  }

  finish(end: JobEnd): void {
    this.#end = this.state === 'canceling' ? { ...end, state: 'canceled' } : end
    this.state = this.#end.state
    this.#changed.emit('change')
  }

  /** What a person's click on "cancel" does: the runner learns of it with its next message. */
  cancel(): void {
    if (this.state === 'running') this.state = 'canceling'
    if (this.state === 'pending') this.finish({ state: 'canceled' })
  }

  /** How the job ended. */
  wait(deadlineMs = WAIT_MS): Promise<JobEnd> {
    return this.#until(`job ${this.id} to end`, deadlineMs, () => this.#end)
  }

  /** Waits until the log holds `pattern`. */
  waitForLog(pattern: RegExp, deadlineMs = WAIT_MS): Promise<string> {
    return this.#until(`${pattern} in the log of job ${this.id}`, deadlineMs, () => {
      return pattern.exec(this.log)?.[0]
    })
  }

  async #until<T>(step: string, deadlineMs: number, look: () => T | undefined): Promise<T> {
    const { signal } = new AbortController()
    return within({ step, deadlineMs, signal }, async (inner) => {
      for (;;) {
        const found = look()
        if (found !== undefined) return found
        await once(this.#changed, 'change', { signal: inner }).catch(() => inner.throwIfAborted())
      }
    })
  }
}
