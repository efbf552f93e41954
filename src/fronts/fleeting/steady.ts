/** A client for calls that may be repeated: it waits for a coordinator, or a host, that restarts. */
import type { Client } from '../../api/index.ts'
import { type Clock, type ErrorCode, SlipwayError, sleep, within } from '../../model/index.ts'

export interface Patience {
  readonly clock: Clock
  /** After this long the failure is told; each call is given up by then, too. */
  readonly patienceMs: number
  /** Failures that pass by themselves. */
  readonly passing?: ReadonlySet<ErrorCode>
}

export const AWAY: ReadonlySet<ErrorCode> = new Set(['unreachable', 'shutting_down'])
const RETRY_MS = 250

/** `client`, each of whose calls is repeated while its failure is one that passes, for `patienceMs`. */
export function steady(client: Client, { clock, patienceMs, passing = AWAY }: Patience): Client {
  return {
    call: async (name, options) => {
      const { signal = new AbortController().signal }: { readonly signal?: AbortSignal } = options
      const limit = { step: `the coordinator's answer to ${name}`, deadlineMs: patienceMs, signal }
      let last: unknown
      try {
        return await within(limit, async (inner) => {
          for (;;) {
            try {
              return await client.call(name, { ...options, signal: inner })
            } catch (error) {
              if (!(error instanceof SlipwayError) || !passing.has(error.code)) throw error
              last = error
              await sleep(clock, RETRY_MS, inner)
            }
          }
        })
      } catch (error) {
        // Why it was tried for so long says more than that it was.
        throw last !== undefined && error instanceof SlipwayError && error.code === 'timed_out' ? last : error
      }
    },
  }
}
