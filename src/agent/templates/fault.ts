import { type ErrorCode, SlipwayError } from '../../model/index.ts'

/** Failures that may lie in what a machine was cloned from, and not in its host being full, busy or going away. */
const CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'create_failed',
  'guest_misbehaved',
  'guest_silent',
  'host_key_mismatch',
  'hypervisor_refused',
  'machine_lost',
  'not_found',
  'ssh_failed',
  'timed_out',
])

export const isTemplatesFault = (error: unknown): boolean =>
  !(error instanceof SlipwayError) || CODES.has(error.code)
