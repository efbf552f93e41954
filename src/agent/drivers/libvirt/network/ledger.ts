import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isId, type MachineId, SlipwayError } from '../../../../model/index.ts'
import { SLOT_MIN } from './slot.ts'

/**
 * Which machine has which slot: one file per slot in use, named by its number, holding the machine's id. The file is
 * the last thing of a machine to go, so that its uid serves another one only after all its files are gone.
 */
export class SlotLedger {
  readonly #dir: string
  readonly #max: number
  /** Slots that a namespace is being made for, or lies in stock for: taken, but nobody's yet. */
  readonly #held = new Set<number>()

  constructor(dir: string, max: number) {
    this.#dir = dir
    this.#max = max
  }

  async prepare(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
  }

  /** The lowest slot that nobody has; the caller holds it until `assign` or `release`. */
  async hold(): Promise<number> {
    const assigned = new Set((await this.#numbers()).map(String))
    for (let slot = SLOT_MIN; slot <= this.#max; slot++) {
      if (this.#held.has(slot) || assigned.has(String(slot))) continue
      this.#held.add(slot)
      return slot
    }
    throw new SlipwayError('too_busy', { what: 'this host', limit: this.#max - SLOT_MIN + 1 })
  }

  /** Gives a held slot to a machine. */
  async assign(slot: number, machine: MachineId): Promise<void> {
    const file = join(this.#dir, String(slot))
    await writeFile(`${file}.new`, machine, { mode: 0o600 })
    await rename(`${file}.new`, file)
    this.#held.delete(slot)
  }

  /** Nobody's again; fine if it was. */
  async release(slot: number): Promise<void> {
    await rm(join(this.#dir, String(slot)), { force: true })
    this.#held.delete(slot)
  }

  isHeld(slot: number): boolean {
    return this.#held.has(slot)
  }

  /** Slot → machine, as the files say. */
  async assigned(): Promise<ReadonlyMap<number, MachineId>> {
    const found = await Promise.all(
      (await this.#numbers()).map(async (slot) => [slot, await this.#read(slot)] as const),
    )
    return new Map(
      found.flatMap(([slot, machine]) => (machine === undefined ? [] : [[slot, machine] as const])),
    )
  }

  async slotOf(machine: MachineId): Promise<number | undefined> {
    for (const [slot, owner] of await this.assigned()) if (owner === machine) return slot
    return undefined
  }

  async #numbers(): Promise<readonly number[]> {
    const names = await readdir(this.#dir).catch(() => [])
    return names.filter((name) => /^[1-9][0-9]*$/.test(name)).map(Number)
  }

  async #read(slot: number): Promise<MachineId | undefined> {
    const text = await readFile(join(this.#dir, String(slot)), 'utf8').catch(() => '')
    return isId('MachineId', text) ? text : undefined
  }
}
