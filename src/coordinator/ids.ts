import { randomBytes } from 'node:crypto'
import { monotonicFactory } from 'ulid'
import { parseId } from '../model/index.ts'
import type { Ids } from './ports.ts'

const TOKEN_BYTES = 32
const NONCE_BYTES = 16

/** Random names. ULIDs in lower case: sorted by age, legal in host names, paths and XML. */
export function randomIds(): Ids {
  const next = monotonicFactory()
  const ulid = (): string => next().toLowerCase()
  return {
    machine: () => parseId('MachineId', `m-${ulid()}`),
    reservation: () => parseId('ReservationId', `r-${ulid()}`),
    lease: () => parseId('LeaseId', `l-${ulid()}`),
    database: () => parseId('DatabaseId', `d-${ulid()}`),
    nonce: () => randomBytes(NONCE_BYTES).toString('hex'),
    token: () => `slw_${randomBytes(TOKEN_BYTES).toString('base64url')}`,
  }
}
