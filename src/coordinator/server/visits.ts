/** Requests under way, by the token they came with: so many at once, so that no runner keeps others out. */
import { SlipwayError } from '../../model/index.ts'
import { type Caller, leasesMax } from '../callers.ts'

export interface Visit {
  readonly caller: Caller
  /** Aborted, with `unauthorized`, when the token is revoked. */
  readonly revoked: AbortSignal
  readonly leave: () => void
}

/** Each lease is waited for, kept alive and served at the same time. */
const REQUESTS_PER_LEASE = 4
const REQUESTS_MIN = 16
/** Of all runners together so many connections are open at most; four greedy ones fill them. */
const SHARE = 1 / 4

export class Visits {
  readonly #open = new Map<string, Set<AbortController>>()
  readonly #connectionsMax: number

  constructor({ connectionsMax }: { readonly connectionsMax: number }) {
    this.#connectionsMax = connectionsMax
  }

  /** Throws `too_busy` for a runner with too many requests under way; the operator may have any number. */
  enter(caller: Caller): Visit {
    const { runner, token } = caller
    const open = this.#open.get(runner) ?? new Set()
    const limit = Math.min(
      REQUESTS_MIN + REQUESTS_PER_LEASE * leasesMax(caller),
      Math.floor(this.#connectionsMax * SHARE),
    )
    if (token && open.size >= limit)
      throw new SlipwayError('too_busy', { what: `runner ${runner} with its requests`, limit })
    const visit = new AbortController()
    this.#open.set(runner, open.add(visit))
    return {
      caller,
      revoked: visit.signal,
      leave: () => {
        open.delete(visit)
        if (open.size === 0 && this.#open.get(runner) === open) this.#open.delete(runner)
      },
    }
  }

  /** Ends what waits for an answer on a token that is revoked. */
  revoke(runner: string): void {
    for (const visit of this.#open.get(runner) ?? []) visit.abort(new SlipwayError('unauthorized'))
  }
}
