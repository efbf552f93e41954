/**
 * What to do next, as data: a pure function of what is known, so that every decision can be replayed and explained.
 *
 * Per flavor and trust domain as many machines are wanted as are leased, waited for and kept idle, and never more than
 * the flavor's limit. A waiting lease owns no machine; whichever of its pool is ready first is granted to whoever
 * waits longest.
 */
import { Draft } from './draft.ts'
import { endOverdue, grant, refuseHopeless } from './leases.ts'
import { supply } from './supply.ts'
import { wish } from './templates.ts'
import { replaceAged, retire, trimSurplus } from './trim.ts'
import type { Step, View } from './view.ts'

/** The steps to take at monotonic time `now`, in order. The same view and time give the same steps. */
export function plan(view: View, now: number): readonly Step[] {
  const draft = new Draft(view, now)
  endOverdue(draft)
  refuseHopeless(draft)
  grant(draft)
  retire(draft)
  replaceAged(draft)
  trimSurplus(draft)
  wish(draft)
  supply(draft)
  return inOrder(draft.steps)
}

/** Rooms are given back before others are taken. */
const inOrder = (steps: readonly Step[]): readonly Step[] => [
  ...steps.filter((step) => step.do === 'drop'),
  ...steps.filter((step) => step.do !== 'drop'),
]
