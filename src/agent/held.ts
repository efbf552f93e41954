/**
 * A machine as this agent holds it in memory. What of it survives a restart stands in its record.
 *
 *   creating ─► ready ◄─► suspect         half: found at a start, its making was cut off
 *       │         │          │
 *       └────────►└──► dead ◄┘            dead: failed in the making, or lost; the news is kept until unwanted
 *                       │ clearing → buried
 *   any, unwanted ─► destroying ─► forgotten, reported gone
 */
import type { MachineReportFrame } from '../api/index.ts'
import type { Access, Failure, MachineId, MachineSpec, SlipwayError, TimelineStep } from '../model/index.ts'
import type { Observed } from './reconcile.ts'

interface Common {
  readonly machine: MachineId
  /** Unknown only for resources whose record was lost: such a machine cannot be reported. */
  readonly spec: MachineSpec | undefined
  readonly timeline: readonly TimelineStep[]
}

/** A making under way. */
export interface Attempt {
  readonly timeline: readonly TimelineStep[]
  /** Ends it. `cancelled` ends it without a word; any other reason is the failure it ends with. */
  readonly stop: (reason: SlipwayError) => void
  /** Resolves when nothing of it runs any more. */
  readonly settled: Promise<void>
}

/** Why a dead machine is dead: it could not be made, or it was made and is no more. */
export interface Death {
  readonly end: 'failed' | 'lost'
  readonly failure: Failure
  readonly consoleTail: readonly string[]
}

export type Held = Common &
  (
    | { readonly state: 'half' }
    | ({ readonly state: 'creating'; readonly attempt: number } & Attempt)
    | { readonly state: 'ready'; readonly access: Access }
    | { readonly state: 'suspect'; readonly access: Access; readonly failure: Failure }
    | { readonly state: 'dead' | 'clearing' | 'buried'; readonly death: Death }
    | { readonly state: 'destroying'; readonly sinceMs: number }
  )

/** What reconcile sees of the machines held. */
export const observe = (held: ReadonlyMap<MachineId, Held>): ReadonlyMap<MachineId, Observed> =>
  new Map([...held].map(([machine, { state }]) => [machine, state]))

/** True while something of the machine may lie on the host: the reaper leaves it to its owner. */
export const hasResources = ({ state }: Held): boolean => state !== 'buried'

/** The machine as a report says it; undefined when it has no words for it. */
export function report(held: Held): MachineReportFrame | undefined {
  const { machine, spec } = held
  if (spec === undefined) return undefined
  const common = { machine, spec: spoken(spec), timeline: held.timeline.slice(-TIMELINE_STEPS_MAX) }
  switch (held.state) {
    case 'half':
    case 'creating':
      return { ...common, state: 'creating' }
    case 'ready':
      return { ...common, state: 'ready', access: bare(held.access) }
    case 'suspect':
      return { ...common, state: 'suspect', access: bare(held.access), failure: spokenFailure(held.failure) }
    case 'destroying':
      return { ...common, state: 'destroying' }
    case 'dead':
    case 'clearing':
    case 'buried':
      return reportDeath(held.state, common, held.death)
  }
}

type CommonFrame = Pick<MachineReportFrame, 'machine' | 'spec' | 'timeline'>

/** A loss is told at once, a failure when its resources are gone: another try may need the room. */
function reportDeath(
  state: 'dead' | 'clearing' | 'buried',
  common: CommonFrame,
  death: Death,
): MachineReportFrame {
  if (death.end === 'failed' && state !== 'buried') return { ...common, state: 'creating' }
  const { end, failure, consoleTail } = death
  return { ...common, state: end, failure: spokenFailure(failure), consoleTail: spokenLines(consoleTail) }
}

/** The schema of the stream has no `readonly`. */
const spoken = (spec: MachineSpec): MachineReportFrame['spec'] => ({
  ...spec,
  network: { allow: [...spec.network.allow] },
})

/** The one place where the machine's private key leaves its wrapper for the coordinator's memory. */
const bare = (access: Access) => ({ ...access, privateKey: access.privateKey.reveal() })

/** Arguments may hold what a guest or a program said: cut to what the stream's schema takes. */
export const spokenFailure = ({
  code,
  args,
}: Failure): Failure & { args: Record<string, string | number> } => ({
  code,
  args: Object.fromEntries(
    Object.entries(args).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, ARGUMENT_CHARS_MAX) : value,
    ]),
  ),
})

export const spokenLines = (lines: readonly string[], linesMax = TAIL_LINES): string[] =>
  lines.slice(-linesMax).map((line) => line.slice(0, TAIL_LINE_CHARS_MAX))

const TIMELINE_STEPS_MAX = 64
const ARGUMENT_CHARS_MAX = 1_000
const TAIL_LINE_CHARS_MAX = 300

/** Console lines that go with the news of a dead machine. */
export const TAIL_LINES = 30
