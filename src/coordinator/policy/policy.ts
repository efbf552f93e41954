/** What an operator has written for a flavor: rules, and periods in which others hold. */
import type { Cron } from './cron.ts'
import type { Zone } from './local-time.ts'
import type { Rules } from './rules.ts'
import type { Throttle } from './throttle.ts'

/** Times of the week or the year, in an office's own hours. */
export interface Periods {
  readonly crons: readonly Cron[]
  readonly zone: Zone
}

export interface Policy {
  /** Outside all periods. */
  readonly base: Rules
  /** In the order they were written: where several hold, the last one does. */
  readonly periods: readonly { readonly periods: Periods; readonly rules: Rules }[]
  readonly throttle: Throttle
  /** Jobs that a machine serves, one after the other: 1, unless the operator has waived that they are kept apart. */
  readonly jobsMax: number
}

/** The rules of an instant, ms since 1970. */
export function rulesAt({ base, periods }: Policy, wallMs: number): Rules {
  return periods.findLast((each) => within(each.periods, wallMs))?.rules ?? base
}

/**
 * True in every second that one of the expressions names, on the zone's own clock: an hour that comes twice counts
 * twice. gitlab-runner asks whether one fires within a second from now, and so begins and ends a second early, and
 * misses the first pass of the hour that comes twice.
 */
export function within({ crons, zone }: Periods, wallMs: number): boolean {
  const time = zone.at(wallMs)
  return crons.some((cron) => cron.matches(time))
}
