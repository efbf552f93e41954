import type { LeaseView } from '../api/index.ts'
import { failureText, roughly } from '../model/index.ts'

/** Why a lease waits, in one line. */
export function waitingLine({ waiting }: LeaseView): string {
  if (waiting === undefined) return 'waiting'
  const { position, making, reason, estimateMs } = waiting
  const parts = [
    making > 0 ? 'waiting for a machine in the making' : `waiting at position ${position}`,
    ...(estimateMs === undefined ? [] : [`about ${roughly(estimateMs)} to go`]),
    ...(reason === undefined ? [] : [failureText(reason)]),
  ]
  return parts.join(': ')
}
