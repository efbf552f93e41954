/** Runs at most so many tasks at once; the others wait in order, so that a burst is slow and not broken. */
export class Lanes {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(limit: number) {
    this.#free = limit
  }

  /** `task`'s result; rejects with the signal's reason when aborted before its turn. */
  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.#turn(signal)
    try {
      return await task()
    } finally {
      this.#free++
      this.#waiting.shift()?.()
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const enter = (): void => {
        signal.removeEventListener('abort', leave)
        this.#free--
        resolve()
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        reject(signal.reason)
      }
      if (this.#free > 0) return enter()
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.push(enter)
    })
  }
}
