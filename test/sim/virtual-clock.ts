/** Time that passes only when told to: the next task runs when all that the last one set off has come to rest. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../src/model/index.ts'

interface Task {
  readonly atMs: number
  readonly run: () => void
  cancelled: boolean
}

export class VirtualClock implements Clock {
  #nowMs = 0
  /** Soonest last; of tasks at one instant, the one asked for first runs first. */
  readonly #tasks: Task[] = []

  now(): number {
    return this.#nowMs
  }

  wall(): number {
    return WALL_START_MS + this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const task = { atMs: this.#nowMs + Math.max(0, delayMs), run, cancelled: false }
    this.#tasks.splice(this.#placeOf(task.atMs), 0, task)
    return () => {
      task.cancelled = true
    }
  }

  /** Runs the next task due by `untilMs` and lets the process come to rest; false if there was none. */
  async step(untilMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    const task = this.#next()
    if (task === undefined || task.atMs > untilMs) return false
    this.#tasks.pop()
    this.#nowMs = task.atMs
    task.run()
    await nextTurn()
    return true
  }

  /** Runs all that is due until `untilMs`, then stands there. */
  async runUntil(untilMs: number): Promise<void> {
    while (await this.step(untilMs));
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /** Lets time fly, one task after another, until `signal` aborts: for tests that await real promises. */
  async fly(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) if (!(await this.step())) await nextTurn()
  }

  #next(): Task | undefined {
    while (this.#tasks.at(-1)?.cancelled) this.#tasks.pop()
    return this.#tasks.at(-1)
  }

  #placeOf(atMs: number): number {
    let low = 0
    let high = this.#tasks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#tasks[middle]?.atMs ?? 0) > atMs) low = middle + 1
      else high = middle
    }
    return low
  }
}

const WALL_START_MS = Date.UTC(2030, 0, 1)
