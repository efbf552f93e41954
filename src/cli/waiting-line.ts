import type { LeaseView } from '../api/index.ts'
import { failureText, roughly } from '../model/index.ts'
import { missingTemplate } from './template-words.ts'

/** Why a lease waits, in one line. */
export function waitingLine({ flavor, waiting }: LeaseView): string {
  if (waiting === undefined) return 'waiting'
  const { position, making, reason, estimateMs, template } = waiting
  const parts = [
    making > 0 ? 'waiting for a machine in the making' : `waiting at position ${position}`,
    ...(estimateMs === undefined ? [] : [`about ${roughly(estimateMs)} to go`]),
    ...(reason === undefined ? [] : [failureText(reason)]),
    ...(template === undefined ? [] : [missingTemplate(flavor, template)]),
  ]
  return parts.join(': ')
}
