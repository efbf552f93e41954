/** What a replay has in the place of the world outside: a store that forgets, names that count, no log. */
import { parseId } from '../../model/index.ts'
import type { Ids, Log } from '../ports.ts'
import type { Store } from '../store/store.ts'

const ULID_CHARS = 26

export function countedIds(): Ids {
  let count = 0
  const next = (): string => String(++count).padStart(ULID_CHARS, '0')
  return {
    machine: () => parseId('MachineId', `m-${next()}`),
    reservation: () => parseId('ReservationId', `r-${next()}`),
    lease: () => parseId('LeaseId', `l-${next()}`),
    database: () => parseId('DatabaseId', `d-${next()}`),
    nonce: next,
    token: next,
  }
}

export const NO_LOG: Log = { info: () => {}, warn: () => {}, error: () => {} }

export const NO_STORE: Store = {
  database: countedIds().database(),
  beginEpoch: () => 1,
  liveLeases: () => [],
  endedLeases: () => [],
  served: () => [],
  asked: () => [],
  ownerOf: () => undefined,
  commit: () => {},
  prune: () => false,
  tokens: () => [],
  addToken: () => {},
  removeToken: () => {},
  close: () => {},
}
