/**
 * Whom this host obeys: one database, and of its wanted sets only those no older than the last one accepted.
 * Pure; the caller persists what comes back before it acts on it.
 */
import { compareStamps, type DatabaseId, type Failure, STAMP_ZERO, type Stamp } from '../model/index.ts'

/** What survives a restart of the agent and a reboot of the host. */
export interface Allegiance {
  /** Absent: the first coordinator that greets is obeyed from then on, until `slipway adopt`. */
  readonly database?: DatabaseId
  readonly stamp: Stamp
}

export const NO_ALLEGIANCE: Allegiance = { stamp: STAMP_ZERO }

export type Verdict = { readonly obey: Allegiance } | { readonly refuse: Failure }

/** The verdict on a coordinator's greeting: `other_database`, or `stale_stamp` for a coordinator that was replaced. */
export function greet(ours: Allegiance, host: string, database: DatabaseId, epoch: number): Verdict {
  if (ours.database !== undefined && ours.database !== database) {
    return { refuse: { code: 'other_database', args: { host, theirs: ours.database, ours: database } } }
  }
  if (epoch < ours.stamp.epoch) return { refuse: { code: 'stale_stamp', args: {} } }
  return { obey: { database, stamp: ours.stamp } }
}

/** The verdict on a wanted set. An equal stamp is the same set again, which is how a restart learns it. */
export function admit(ours: Allegiance, stamp: Stamp): Verdict {
  if (compareStamps(stamp, ours.stamp) < 0) return { refuse: { code: 'stale_stamp', args: {} } }
  return { obey: { ...ours, stamp } }
}
