/**
 * The reaper's decision: *listed − wanted, seen twice → remove*. Pure; the agent scans every `SCAN_EVERY_MS`.
 *
 * It finds what no other path can: resources whose record was lost, leftovers of a removal that was killed half way.
 * Seen once is no proof: a listing takes time, and a machine may come or go while it runs.
 */

import type { MachineId } from '../model/index.ts'
import type { Resource } from './drivers/driver.ts'

/** Listed resources that no machine of `expected` accounts for and that the driver does not keep on purpose. */
export function strays(listed: readonly Resource[], expected: ReadonlySet<MachineId>): readonly Resource[] {
  return listed.filter(({ machine, kept }) => (machine === undefined ? !kept : !expected.has(machine)))
}

export interface Sweep {
  /** Seen in two scans in a row. */
  readonly remove: readonly Resource[]
  /** To be handed to the next scan. */
  readonly seen: ReadonlySet<string>
}

/** What to remove now, given the strays of this scan and the names seen in the one before. */
export function sweep(found: readonly Resource[], seenBefore: ReadonlySet<string>): Sweep {
  return {
    remove: found.filter((resource) => seenBefore.has(nameOf(resource))),
    seen: new Set(found.map(nameOf)),
  }
}

const nameOf = ({ kind, name }: Resource): string => `${kind} ${name}`
