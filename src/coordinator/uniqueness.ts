/**
 * No two machines ever show the same: a clone that repeats a host key, a machine id or a number of its generator is
 * one guest twice, and the second is nobody's. Every machine that becomes ready is looked up in all that were ever
 * seen, by every host, before it can be granted. What it showed is durable at the latest with its grant, in the same
 * transaction: a grant waits on no disk for it.
 */
import { createHash } from 'node:crypto'
import type { Access, MachineId } from '../model/index.ts'
import type { Seen } from './store/seen.ts'
import type { Change, Store } from './store/store.ts'

const MARK_BYTES = 16
const OWNER_BYTES = 8

export class Uniqueness {
  readonly #store: Pick<Store, 'ownerOf'>
  /** Not durable yet, by mark. */
  readonly #unwritten = new Map<string, Seen>()

  constructor(store: Pick<Store, 'ownerOf'>) {
    this.#store = store
  }

  /**
   * What the machine shows that another has shown; undefined: nothing. Remembers all it shows. The same machine may be
   * told of as often as its host likes.
   */
  judge(machine: MachineId, { hostKey, marks }: Access): string | undefined {
    if (marks && marks.hostname !== machine) return 'hostname'
    const shown = { 'host key': hostKey, 'machine id': marks?.machineId, sample: marks?.sample }
    const owner = digest(machine, OWNER_BYTES)
    const all = Object.entries(shown).flatMap(([what, value]) =>
      value === undefined ? [] : [{ what, seen: { mark: digest(`${what} ${value}`, MARK_BYTES), owner } }],
    )
    // Each is claimed, whichever is repeated.
    const [repeated] = all.filter(({ seen }) => !this.#claim(seen))
    return repeated?.what
  }

  /** To be made durable with whatever is committed next; then `written` is called. */
  unwritten(): readonly Change[] {
    return [...this.#unwritten.values()].map((seen) => ({ kind: 'seen', seen }))
  }

  written(): void {
    this.#unwritten.clear()
  }

  /** Remembers whose the mark was first. False: it was another's. */
  #claim(seen: Seen): boolean {
    const key = hex(seen.mark)
    const first = this.#unwritten.get(key)?.owner ?? this.#store.ownerOf(seen.mark)
    if (first === undefined) this.#unwritten.set(key, seen)
    return first === undefined || hex(first) === hex(seen.owner)
  }
}

const digest = (text: string, bytes: number): Buffer =>
  createHash('sha256').update(text).digest().subarray(0, bytes)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
