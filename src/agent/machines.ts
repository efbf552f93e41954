import type { MachineReportFrame } from '../api/index.ts'
import type { MachineId } from '../model/index.ts'
import { type Held, report } from './held.ts'

/** The machines an agent holds, and which of them changed since that was last told. */
export class Machines {
  readonly held = new Map<MachineId, Held>()
  readonly #changed = new Set<MachineId>()
  readonly #gone = new Set<MachineId>()

  set(machine: Held): void {
    this.held.set(machine.machine, machine)
    this.#changed.add(machine.machine)
    this.#gone.delete(machine.machine)
  }

  /** True while something is there of which no record tells what it is. */
  hasUnknown(): boolean {
    return [...this.held.values()].some(({ spec }) => spec === undefined)
  }

  /** Nothing is left of it. */
  drop(machine: MachineId): void {
    if (!this.held.delete(machine)) return
    this.#changed.delete(machine)
    this.#gone.add(machine)
  }

  /** Every machine that has words for itself; forgets what changed, since this tells it. */
  all(): readonly MachineReportFrame[] {
    this.#changed.clear()
    this.#gone.clear()
    return [...this.held.values()].flatMap((held) => report(held) ?? [])
  }

  /** What changed since the last call of this or `all`; undefined if nothing did. */
  changes():
    | { readonly machines: readonly MachineReportFrame[]; readonly gone: readonly MachineId[] }
    | undefined {
    if (this.#changed.size === 0 && this.#gone.size === 0) return undefined
    const machines = [...this.#changed].flatMap((machine) => {
      const held = this.held.get(machine)
      return (held && report(held)) ?? []
    })
    const gone = [...this.#gone]
    this.#changed.clear()
    this.#gone.clear()
    return { machines, gone }
  }
}
