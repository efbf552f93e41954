import { SlipwayError, type TemplateId } from '../../model/index.ts'

/** That fail in a row until their template is called bad. */
const FAILED_MAX = 3

/** What became of a host's clones, by template. */
export class Clones {
  /** In the making: they may not have begun to live on it. */
  readonly #making = new Map<TemplateId, number>()
  /** Templates that are removed, or were. */
  readonly #going = new Set<TemplateId>()
  readonly #failed = new Map<TemplateId, number>()

  /** False where there can be none: the template is bad, or goes. */
  begin(id: TemplateId): boolean {
    if (this.isBad(id) || this.#going.has(id)) return false
    this.#making.set(id, (this.#making.get(id) ?? 0) + 1)
    return true
  }

  /**
   * Removes a template: none is begun meanwhile, nor afterwards by who has not heard yet. Throws `conflict` while one is
   * in the making.
   */
  async without(id: TemplateId, remove: () => Promise<void>): Promise<void> {
    if (this.isMade(id))
      throw new SlipwayError('conflict', { kind: 'template', name: id, detail: 'a machine is made of it' })
    this.#going.add(id)
    try {
      await remove()
      this.#failed.delete(id)
    } catch (error) {
      this.#going.delete(id)
      throw error
    }
  }

  end(id: TemplateId): void {
    const left = (this.#making.get(id) ?? 0) - 1
    if (left > 0) this.#making.set(id, left)
    else this.#making.delete(id)
  }

  isMade(id: TemplateId): boolean {
    return this.#making.has(id)
  }

  /** One has come out; true if its template is bad from now on. A bad one stays bad. */
  turnsBad(id: TemplateId, failed: boolean): boolean {
    if (this.isBad(id)) return false
    if (failed) this.#failed.set(id, (this.#failed.get(id) ?? 0) + 1)
    else this.#failed.delete(id)
    return this.isBad(id)
  }

  isBad(id: TemplateId): boolean {
    return (this.#failed.get(id) ?? 0) >= FAILED_MAX
  }
}
