/**
 * What runs beside the agent's loop. Every effect is bounded, ends with the agent, and decides nothing. An error that
 * an effect does not expect is a bug: it ends the agent.
 */
import { type Clock, SlipwayError, sleep } from '../model/index.ts'
import { withDeadline } from './deadline.ts'

const POLL_MS = 20
/** For all effects to end once the agent stops. */
const END_MS = 15_000

export class Effects {
  readonly #clock: Clock
  readonly #stop = new AbortController()
  readonly #done = Promise.withResolvers<void>()
  readonly #busy = new Set<string>()
  #running = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when the agent has ended, rejects on a bug. */
  get done(): Promise<void> {
    return this.#done.promise
  }

  /** Aborts when the agent ends. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Runs `task`; resolves when it has settled. */
  async run(task: () => Promise<void>): Promise<void> {
    this.#running++
    try {
      await task()
    } catch (error) {
      if (this.signal.aborted) return
      this.#done.reject(error)
      this.#stop.abort(error)
    } finally {
      this.#running--
    }
  }

  /** Like `run`, but not at all while the last one of that name still runs: a slow host must not pile them up. */
  once(name: string, task: () => Promise<void>): void {
    if (this.#busy.has(name)) return
    this.#busy.add(name)
    void this.run(task).finally(() => this.#busy.delete(name))
  }

  every(periodMs: number, task: () => void): void {
    void this.run(async () => {
      for (;;) {
        task()
        await sleep(this.#clock, periodMs, this.signal)
      }
    })
  }

  within<T>(step: string, deadlineMs: number, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline({ clock: this.#clock, step, deadlineMs, signal: this.signal }, task)
  }

  /** Resolves once `holds`, or after `deadlineMs`. */
  async until(holds: () => boolean, deadlineMs: number): Promise<void> {
    const endMs = this.#clock.now() + deadlineMs
    while (!holds() && this.#clock.now() < endMs) await sleep(this.#clock, POLL_MS)
  }

  /** Aborts all that runs and waits for it. */
  async end(): Promise<void> {
    this.#stop.abort(new SlipwayError('cancelled', { what: 'the agent' }))
    await this.until(() => this.#running === 0, END_MS)
    this.#done.resolve()
  }
}
