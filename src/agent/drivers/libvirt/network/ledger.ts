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
  /** The slot held last, of an earlier agent too once prepared. */
  #last = SLOT_MIN - 1

  constructor(dir: string, max: number) {
    this.#dir = dir
    this.#max = max
  }

  async prepare(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    const last = Number(await readFile(join(this.#dir, LAST), 'utf8').catch(() => ''))
    if (Number.isInteger(last)) this.#last = last
  }

  /**
   * The next slot in turn that nobody has; the caller holds it until `assign` or `release`. One that was released comes
   * last: who still has the address of its last machine, such as a runner, shall not meet the next one there.
   */
  async hold(): Promise<number> {
    const assigned = new Set(await this.#numbers())
    for (const slot of inTurn(this.#last, this.#max)) {
      if (this.#held.has(slot) || assigned.has(slot)) continue
      this.#held.add(slot)
      this.#last = slot
      // Only a hint to the next agent, which begins at the first slot without it.
      await writeFile(join(this.#dir, LAST), String(slot), { mode: 0o600 }).catch(() => undefined)
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

/** Beside the slots' files, whose names are numbers. */
const LAST = 'last'

/** All slots once, beginning behind `last`. */
function* inTurn(last: number, max: number): Generator<number> {
  const first = last >= SLOT_MIN && last < max ? last + 1 : SLOT_MIN
  for (let slot = first; slot <= max; slot++) yield slot
  for (let slot = SLOT_MIN; slot < first; slot++) yield slot
}
