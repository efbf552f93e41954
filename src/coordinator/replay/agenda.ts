/** What happens when, in steps of a clock: tasks of one step are done in the order they were put down. */
export class Agenda {
  readonly #stepMs: number
  readonly #tasks = new Map<number, (() => void)[]>()
  #done = -1

  constructor(stepMs: number) {
    this.#stepMs = stepMs
  }

  get isEmpty(): boolean {
    return this.#tasks.size === 0
  }

  /** In the step that `atMs` falls in or begins, or in the next one if that is over. */
  at(atMs: number, task: () => void): void {
    const step = Math.max(this.#done + 1, Math.ceil(atMs / this.#stepMs))
    const tasks = this.#tasks.get(step)
    if (tasks) tasks.push(task)
    else this.#tasks.set(step, [task])
  }

  /** Takes what is to be done in the step that begins at `atMs`. Steps are asked for one after the other. */
  due(atMs: number): readonly (() => void)[] {
    this.#done = Math.round(atMs / this.#stepMs)
    const tasks = this.#tasks.get(this.#done) ?? []
    this.#tasks.delete(this.#done)
    return tasks
  }
}
