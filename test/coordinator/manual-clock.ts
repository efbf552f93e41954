import type { Clock } from '../../src/model/index.ts'

/** Time that passes when a test says so; tasks due run in order, synchronously. */
export class ManualClock implements Clock {
  #nowMs = 0
  #tasks: { readonly atMs: number; readonly run: () => void }[] = []

  now(): number {
    return this.#nowMs
  }

  wall(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const task = { atMs: this.#nowMs + delayMs, run }
    this.#tasks.push(task)
    return () => {
      this.#tasks = this.#tasks.filter((each) => each !== task)
    }
  }

  get pending(): number {
    return this.#tasks.length
  }

  pass(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (let task = this.#due(untilMs); task; task = this.#due(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, task.atMs)
      this.#tasks = this.#tasks.filter((each) => each !== task)
      task.run()
    }
    this.#nowMs = untilMs
  }

  /** The process stood still: time passed and nothing ran. */
  stall(ms: number): void {
    this.#nowMs += ms
  }

  #due(untilMs: number): { readonly atMs: number; readonly run: () => void } | undefined {
    return this.#tasks.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
  }
}
