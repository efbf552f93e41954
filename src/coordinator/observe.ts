/**
 * What a host's word about a machine means for the coordinator's picture of it: a total table of (held state × reported
 * state). Frames may be late or repeated, so that a state which lies behind the held one is ignored.
 *
 *   held \ reported   creating   ready     suspect   destroying  failed   lost
 *   named, creating   creating   ready     suspect   same        failed   lost
 *   ready             same       ready     suspect   same        lost     lost
 *   suspect           same       ready     suspect   same        lost     lost
 *   leased            same       leased    leased    same        lost     lost
 *   doomed            same       same      same      same        same     same
 */
import type { MachineReportFrame } from '../api/index.ts'
import { type Access, assertNever, type Failure, Secret } from '../model/index.ts'
import type { HeldMachine } from './plan/index.ts'

export type Sight =
  | { readonly kind: 'same' }
  | { readonly kind: 'becomes'; readonly machine: HeldMachine }
  /** It never became ready. */
  | { readonly kind: 'failed'; readonly ending: Ending }
  /** It was ready once. */
  | { readonly kind: 'lost'; readonly ending: Ending }

/** How a machine ended, as its host tells it. */
export interface Ending {
  readonly failure: Failure
  readonly timeline: HeldMachine['timeline']
  readonly consoleTail: readonly string[]
}

const SAME: Sight = { kind: 'same' }

/** `now` is monotonic, `wall` for people. */
export function observe(
  held: HeldMachine,
  report: MachineReportFrame,
  { now, wall }: { readonly now: number; readonly wall: number },
): Sight {
  if (held.state === 'doomed') return SAME
  switch (report.state) {
    case 'creating':
      return held.state === 'named' || held.state === 'creating'
        ? become(held, { state: 'creating', timeline: report.timeline }, now)
        : SAME
    case 'ready':
    case 'suspect': {
      const state = held.state === 'leased' ? 'leased' : report.state
      const access = toAccess(report.access)
      const readyAtMs = held.readyAtMs ?? wall
      return become(held, { state, timeline: report.timeline, access, readyAtMs, made: true }, now)
    }
    case 'destroying':
      return SAME
    case 'failed':
      return { kind: held.made ? 'lost' : 'failed', ending: report }
    case 'lost':
      return { kind: 'lost', ending: report }
    default:
      return assertNever(report)
  }
}

/** The wire's access; from here on no log can print the key. */
export const toAccess = (access: Extract<MachineReportFrame, { state: 'ready' }>['access']): Access => ({
  ...access,
  privateKey: new Secret(access.privateKey),
})

function become(held: HeldMachine, change: Partial<HeldMachine>, now: number): Sight {
  const stateAtMs = change.state === held.state ? held.stateAtMs : now
  return { kind: 'becomes', machine: { ...held, ...change, stateAtMs } }
}
