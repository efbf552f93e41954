import { createHash } from 'node:crypto'
import type { HostId } from '../model/index.ts'
import { SALT_BYTES } from './kit.ts'

/** Values remembered; an older one is forgotten for each new one, so that memory stays flat. */
const REMEMBERED_MAX = 4_096

/**
 * What machines of this host have shown of their randomness. Two that show the same were one generator twice: the
 * worst failure a clone can have, and the one that nothing else would notice.
 */
export class Unseen {
  /**
   * The same for all machines of a host, for good: their hashes compare, here and with the coordinator, which has those
   * of earlier agents. It hides nothing: nobody finds 32 random bytes by their hash.
   */
  readonly salt: Uint8Array
  readonly #seen = new Set<string>()

  constructor(host: HostId) {
    this.salt = createHash('sha256').update(`slipway sample ${host}`).digest().subarray(0, SALT_BYTES)
  }

  /** Remembers `value`; false if a machine showed it before. */
  add(value: string): boolean {
    if (this.#seen.has(value)) return false
    this.#seen.add(value)
    for (const oldest of this.#seen) {
      if (this.#seen.size <= REMEMBERED_MAX) break
      this.#seen.delete(oldest)
    }
    return true
  }
}
