import type { MachineId } from '../../../model/index.ts'

export interface Look<T> {
  readonly found: T
  /** The driver's own at any moment of the look, and nobody else's by its end. */
  readonly own: ReadonlySet<MachineId>
}

/** Machines that nobody but the driver knows of: what is to be frozen, and hulls. */
export class OwnMachines {
  readonly #now = new Set<MachineId>()
  readonly #looks = new Set<Set<MachineId>>()

  add(machine: MachineId): void {
    this.#now.add(machine)
    for (const look of this.#looks) look.add(machine)
  }

  /** Nothing is left of it, or nobody's is what is left. */
  delete(machine: MachineId): void {
    this.#now.delete(machine)
  }

  /** It is somebody's from now on. */
  launch(machine: MachineId): void {
    this.#now.delete(machine)
    for (const look of this.#looks) look.delete(machine)
  }

  has(machine: MachineId): boolean {
    return this.#now.has(machine)
  }

  all(): readonly MachineId[] {
    return [...this.#now]
  }

  /** A look takes time, in which one may begin and another may go: neither is somebody's for that. */
  async look<T>(find: () => Promise<T>): Promise<Look<T>> {
    const own = new Set(this.#now)
    this.#looks.add(own)
    try {
      return { found: await find(), own }
    } finally {
      this.#looks.delete(own)
    }
  }
}
