import type { MachineId } from '../../model/index.ts'
import type { HeldMachine } from './view.ts'

/** The view's machines with the plan's changes on top: a turn changes few of thousands, and there is one a second. */
export class Machines {
  readonly #seen: readonly HeldMachine[]
  readonly #changes = new Map<MachineId, HeldMachine>()
  #now: readonly HeldMachine[] | undefined

  constructor(seen: readonly HeldMachine[]) {
    this.#seen = seen
    this.#now = seen
  }

  get(id: MachineId): HeldMachine | undefined {
    return this.#changes.get(id) ?? this.#seen.find(({ machine }) => machine === id)
  }

  /** Changes one of them. */
  set(machine: HeldMachine): void {
    this.#changes.set(machine.machine, machine)
    this.#now = undefined
  }

  values(): readonly HeldMachine[] {
    this.#now ??= this.#seen.map((machine) => this.#changes.get(machine.machine) ?? machine)
    return this.#now
  }
}
