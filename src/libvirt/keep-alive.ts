export interface KeepAliveOptions {
  /** How long libvirtd may be silent before it is pinged. */
  readonly intervalMs: number
  /** Pings in a row that may go unanswered; dead after about `intervalMs × (count + 1)`. */
  readonly count: number
}

/** libvirt's own client and daemon use the same numbers: dead after 30 s. */
export const KEEP_ALIVE_DEFAULT: KeepAliveOptions = { intervalMs: 5_000, count: 5 }

/** Decides when to ping and when to give up. Any message counts as a sign of life, as in libvirt's virkeepalive.c. */
export class KeepAlive {
  readonly #options: KeepAliveOptions
  readonly #ping: () => void
  readonly #dead: () => void
  #timer: NodeJS.Timeout | undefined
  #unanswered = 0
  #heard = false

  constructor(options: KeepAliveOptions, ping: () => void, dead: () => void) {
    this.#options = options
    this.#ping = ping
    this.#dead = dead
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), this.#options.intervalMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  heard(): void {
    this.#heard = true
    this.#unanswered = 0
  }

  tick(): void {
    if (this.#heard) {
      this.#heard = false
    } else if (this.#unanswered === this.#options.count) {
      this.stop()
      this.#dead()
    } else {
      this.#unanswered++
      this.#ping()
    }
  }
}
