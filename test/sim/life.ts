/**
 * The life of one simulated process. Everything it does to the world goes through its life, so that it can end before
 * or after any of its effects: from then on nothing it calls has an effect, and what it waits for never comes.
 */
import type { Clock } from '../../src/model/index.ts'

/** Thrown at a dead process that makes a synchronous call. Nobody is left to see it. */
export class Killed extends Error {}

export class Life {
  #alive = true
  /** Effects, each with a moment before and one after it, until death. */
  #fuse = Number.POSITIVE_INFINITY
  readonly #end = new AbortController()

  get alive(): boolean {
    return this.#alive
  }

  kill(): void {
    if (!this.#alive) return
    this.#alive = false
    this.#end.abort(new Killed())
  }

  /** Dies at the `moments`th moment from now. */
  light(moments: number): void {
    this.#fuse = moments
  }

  /** Aborts with its death. */
  get end(): AbortSignal {
    return this.#end.signal
  }

  /** A moment between two effects; false: the process is dead. */
  moment(): boolean {
    if (--this.#fuse <= 0) this.kill()
    return this.#alive
  }

  /** An effect that is over when it returns. */
  now<T>(effect: () => T): T {
    if (!this.moment()) throw new Killed()
    const result = effect()
    if (!this.moment()) throw new Killed()
    return result
  }

  /** An effect that takes its time. */
  later<T>(effect: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.moment()) return
      effect().then(
        (value) => this.moment() && resolve(value),
        (error: unknown) => this.moment() && reject(error),
      )
    })
  }

  /** `clock` as this process sees it: its timers die with it. */
  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (delayMs, task) =>
        this.#alive ? clock.after(delayMs, () => this.moment() && task()) : () => {},
    }
  }
}
