/** What happened, newest last: the tail is printed with a failure, the whole when a seed is replayed. */
export class Trace {
  readonly #lines: string[] = []
  readonly #limit: number
  readonly #now: () => number

  constructor(now: () => number, limit: number) {
    this.#now = now
    this.#limit = limit
  }

  say(who: string, what: string): void {
    this.#lines.push(
      `${(this.#now() / 1000).toFixed(3).padStart(9)}  ${who.padEnd(11)} ${what.slice(0, CHARS_MAX)}`,
    )
    if (this.#lines.length > this.#limit) this.#lines.shift()
  }

  lines(): readonly string[] {
    return this.#lines
  }
}

const CHARS_MAX = 300
