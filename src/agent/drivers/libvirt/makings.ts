import { type MachineId, SlipwayError } from '../../../model/index.ts'

interface Making {
  readonly abort: AbortController
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<unknown>
}

/** Machines in the making: one under each name, and ended before anything of it is taken away. */
export class Makings {
  readonly #making = new Map<MachineId, Making>()

  /** Runs `make` as the one making of the machine; throws `conflict` beside another. */
  async track<T>(
    machine: MachineId,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.#making.has(machine))
      throw new SlipwayError('conflict', { kind: 'machine', name: machine, detail: 'it is being made' })
    const abort = new AbortController()
    const work = make(AbortSignal.any([signal, abort.signal]))
    this.#making.set(machine, { abort, ended: work.catch(() => {}) })
    try {
      return await work
    } finally {
      this.#making.delete(machine)
    }
  }

  /** Ends the machine's making, if there is one, and waits until it has ended. */
  async end(machine: MachineId): Promise<void> {
    const making = this.#making.get(machine)
    making?.abort.abort(new SlipwayError('cancelled', { what: `making ${machine}` }))
    await making?.ended
  }

  async allEnded(): Promise<void> {
    await Promise.all([...this.#making.values()].map(({ ended }) => ended))
  }
}
