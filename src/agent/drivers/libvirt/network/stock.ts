import type { SlotLedger } from './ledger.ts'
import { makeNamespace, removeNamespace } from './namespace.ts'
import type { Slot } from './slot.ts'

export interface StockOptions {
  readonly ledger: SlotLedger
  readonly slotOf: (number: number) => Slot
  readonly resolver: string | undefined
  readonly size: number
  /** A refill that failed: the next `take` makes its own and reports why it cannot. */
  readonly onError: (error: unknown) => void
}

/** Namespaces made ahead of demand, refilled in the background, one at a time: they are off every job's path. */
export class NamespaceStock {
  readonly #options: StockOptions
  readonly #ready: Slot[] = []
  #refill: Promise<void> | undefined
  #closed = false

  constructor(options: StockOptions) {
    this.#options = options
  }

  /** A slot with its namespace, held for the caller, who has the stock refilled once there is time for it. */
  async take(signal: AbortSignal): Promise<Slot> {
    return this.#ready.shift() ?? (await this.#fresh(signal))
  }

  /** The last free slot may be the one a refill just holds. */
  async #fresh(signal: AbortSignal): Promise<Slot> {
    try {
      return await this.#make(signal)
    } catch (error) {
      await this.#refill
      const slot = this.#ready.shift()
      if (slot === undefined) throw error
      return slot
    }
  }

  /** Starts to fill up unless it does already. */
  refill(): void {
    if (this.#closed || this.#refill !== undefined) return
    this.#refill = this.#fill()
      .catch(this.#options.onError)
      .finally(() => {
        this.#refill = undefined
      })
  }

  /** Waits for the refill under way, then removes what is in stock. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#refill
    for (const slot of this.#ready.splice(0)) {
      await removeNamespace(slot)
      await this.#options.ledger.release(slot.number)
    }
  }

  async #fill(): Promise<void> {
    while (!this.#closed && this.#ready.length < this.#options.size) this.#ready.push(await this.#make())
  }

  async #make(signal?: AbortSignal): Promise<Slot> {
    const { ledger, slotOf, resolver } = this.#options
    const slot = slotOf(await ledger.hold())
    try {
      await makeNamespace(slot, { resolver, signal })
      return slot
    } catch (error) {
      await removeNamespace(slot)
      await ledger.release(slot.number)
      throw error
    }
  }
}
