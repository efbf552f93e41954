/** What the job log says, in lines. Console lines come from a guest: they are shown, never obeyed by a terminal. */
import type { LeaseView } from '../../api/index.ts'
import { type Failure, failureNext, failureText, roughly, type TimelineStep } from '../../model/index.ts'
import { printable } from '../printable.ts'

const LINES_MAX = 60

/** A failure: code first, since people search for it. */
export const failureLines = (failure: Failure): readonly string[] => [
  `error ${failure.code}: ${printable(failureText(failure))}`,
  `  next: ${printable(failureNext(failure))}`,
]

/** A machine that could not be had: the failure, its timeline and the last lines of its console. */
export function endLines(failure: Failure, { timeline, consoleTail }: LeaseReport): readonly string[] {
  return [
    ...failureLines(failure),
    ...(timeline?.length ? ['timeline of the machine:', ...timelineLines(timeline)] : []),
    ...(consoleTail?.length ? ['last lines of its console:', ...consoleLines(consoleTail)] : []),
  ]
}

type LeaseReport = Pick<LeaseView, 'timeline' | 'consoleTail'>

/** Each step with the time since the machine was wanted. */
const timelineLines = (timeline: readonly TimelineStep[]): readonly string[] =>
  timeline.map(({ step, atMs }) => `${String(Math.round(atMs)).padStart(8)} ms  ${printable(step)}`)

const consoleLines = (tail: readonly string[]): readonly string[] =>
  tail.slice(-LINES_MAX).map((line) => `  | ${printable(line)}`)

/** Why a lease waits, its place and how long it has to go, in one line. */
export function waitingLine(view: Pick<LeaseView, 'flavor' | 'waiting'>): string {
  const { waiting } = view
  if (waiting === undefined) return whyLine(view)
  const { estimateMs } = waiting
  return `${whyLine(view)}; ${estimateMs === undefined ? 'how long is unknown' : `about ${roughly(estimateMs)} to go`}`
}

/** The same without the time, which passes: when this changes there is something to tell. */
export function whyLine({ flavor, waiting }: Pick<LeaseView, 'flavor' | 'waiting'>): string {
  if (waiting === undefined) return `waiting for a machine of flavor ${flavor}`
  const { position, making, reason } = waiting
  const parts = [
    `waiting for a machine of flavor ${flavor}`,
    `position ${position}`,
    ...(making > 0 ? [`${making} in the making`] : []),
    ...(reason === undefined ? [] : [`${reason.code}: ${printable(failureText(reason))}`]),
  ]
  return parts.join(', ')
}
