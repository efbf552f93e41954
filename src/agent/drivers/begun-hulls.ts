import { SlipwayError, type TemplateId } from '../../model/index.ts'

interface Begun {
  readonly template: TemplateId
  readonly abort: AbortController
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<unknown>
}

/** Hulls in the making. Nobody has asked for one: they end when their template goes, and none begins meanwhile. */
export class BegunHulls {
  readonly #begun = new Set<Begun>()
  readonly #going = new Set<TemplateId>()

  /** Runs `make`, the making of a hull of the template; throws `cancelled` if that is going. */
  async track<T>(
    template: TemplateId,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.#going.has(template)) throw cancelled(template)
    const abort = new AbortController()
    const work = make(AbortSignal.any([signal, abort.signal]))
    const begun = { template, abort, ended: work.catch(() => {}) }
    this.#begun.add(begun)
    try {
      return await work
    } finally {
      this.#begun.delete(begun)
    }
  }

  /** Runs `remove`, which takes the template away, when none of its hulls is in the making any more. */
  async without(template: TemplateId, remove: () => Promise<void>): Promise<void> {
    this.#going.add(template)
    try {
      const begun = [...this.#begun].filter((one) => one.template === template)
      for (const { abort } of begun) abort.abort(cancelled(template))
      await Promise.all(begun.map(({ ended }) => ended))
      await remove()
    } finally {
      this.#going.delete(template)
    }
  }
}

const cancelled = (template: TemplateId): SlipwayError =>
  new SlipwayError('cancelled', { what: `making a hull of ${template}` })
