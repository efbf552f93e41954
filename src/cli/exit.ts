/** Exit codes, as people's scripts rely on them. */
import { type ErrorCode, SlipwayError } from '../model/index.ts'

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  noCapacity: 3,
  notFound: 4,
  unreachable: 5,
  /** Where the guest's own exit code is passed on, our failures need one that says "not the guest". */
  ownFailure: 125,
  interrupted: 130,
} as const

const exitOf: Partial<Record<ErrorCode, number>> = {
  bad_request: EXIT.usage,
  bad_id: EXIT.usage,
  no_capacity: EXIT.noCapacity,
  not_found: EXIT.notFound,
  unknown_flavor: EXIT.notFound,
  unknown_image: EXIT.notFound,
  unreachable: EXIT.unreachable,
  cancelled: EXIT.interrupted,
}

/** The exit code of a command that failed; `passesGuestCode`: the command's other exit codes are its guest's. */
export function exitCode(error: unknown, options: { readonly passesGuestCode: boolean }): number {
  const code = error instanceof SlipwayError ? (exitOf[error.code] ?? EXIT.failed) : EXIT.failed
  return options.passesGuestCode && code !== EXIT.interrupted ? EXIT.ownFailure : code
}
