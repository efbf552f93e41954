/** A failure as gRPC says it: the code of our table stands first in the text, since a status has too few. */
import { status } from '@grpc/grpc-js'
import { errorTable, failureNext, failureText, SlipwayError } from '../../model/index.ts'
import { printable } from '../printable.ts'

export interface RpcError {
  readonly code: status
  readonly details: string
}

/** What the runner logs, and what a person acts on. A bug says nothing of its inside here; our log does. */
export function rpcError(error: unknown): RpcError {
  if (!(error instanceof SlipwayError))
    return { code: status.INTERNAL, details: 'internal: the plugin has a bug; see its lines in this log' }
  const details = `${error.code}: ${printable(failureText(error))}; next: ${printable(failureNext(error))}`
  return { code: statusOf(error), details }
}

function statusOf({ code }: SlipwayError): status {
  if (code === 'timed_out') return status.DEADLINE_EXCEEDED
  if (code === 'not_found') return status.NOT_FOUND
  if (code === 'cancelled') return status.CANCELLED
  return errorTable[code].blame === 'caller' ? status.FAILED_PRECONDITION : status.UNAVAILABLE
}
