import { type Clock, shapeKey, type TemplateShape } from '../../model/index.ts'

/** A shape that nobody asked for in so long is forgotten. */
const REMEMBERED_MS = 24 * 3_600_000
const REMEMBERED_MAX = 64

/** Shapes of machines that this host was asked for: what it builds templates of, as long as nobody tells it. */
export class Asked {
  readonly #clock: Clock
  readonly #shapes = new Map<string, { readonly shape: TemplateShape; readonly atMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(shape: TemplateShape): void {
    const key = shapeKey(shape)
    this.#shapes.delete(key)
    this.#shapes.set(key, { shape, atMs: this.#clock.now() })
    for (const oldest of this.#shapes.keys()) {
      if (this.#shapes.size <= REMEMBERED_MAX) break
      this.#shapes.delete(oldest)
    }
  }

  /** The one last asked for first. */
  shapes(): readonly TemplateShape[] {
    const since = this.#clock.now() - REMEMBERED_MS
    return [...this.#shapes.values()]
      .filter(({ atMs }) => atMs >= since)
      .map(({ shape }) => shape)
      .toReversed()
  }
}
