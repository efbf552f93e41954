/** A bounded queue that one reader drains as an async iterable, until its signal aborts. */
export class Inbox<T> implements AsyncIterable<T> {
  readonly #items: T[] = []
  readonly #limit: number
  readonly #signal: AbortSignal
  #wake: (() => void) | undefined

  constructor(limit: number, signal: AbortSignal) {
    this.#limit = limit
    this.#signal = signal
    signal.addEventListener('abort', () => this.#wake?.(), { once: true })
  }

  /** Beyond the limit the oldest item goes: what an event told is found by listing, too. */
  put(item: T): void {
    this.#items.push(item)
    if (this.#items.length > this.#limit) this.#items.shift()
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    while (!this.#signal.aborted) {
      const item = this.#items.shift()
      if (item !== undefined) yield item
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}
