/** All flavors' policies at work: the rules of each moment, and what the throttles remember between moments. */
import type { FlavorName } from '../../model/index.ts'
import { type Policy, rulesAt } from './policy.ts'
import type { Rules } from './rules.ts'
import { allowance, type Bucket, refill } from './throttle.ts'

/** What a flavor's policy says at one moment. */
export interface Standing {
  readonly rules: Rules
  /** How many machines may be named now. */
  readonly growth: number
}

export interface Moment {
  /** Monotonic. */
  readonly now: number
  /** ms since 1970. */
  readonly wall: number
  /** How many machines of a flavor are in the making. */
  readonly making: (flavor: FlavorName) => number
}

export class Policies {
  readonly #policies: ReadonlyMap<FlavorName, Policy>
  readonly #buckets = new Map<FlavorName, Bucket>()

  constructor(policies: ReadonlyMap<FlavorName, Policy>) {
    this.#policies = policies
  }

  /** Of each flavor that has a policy. */
  at({ now, wall, making }: Moment): ReadonlyMap<FlavorName, Standing> {
    const standings = new Map<FlavorName, Standing>()
    for (const [flavor, policy] of this.#policies) {
      const bucket = refill(policy.throttle, this.#buckets.get(flavor), now)
      this.#buckets.set(flavor, bucket)
      const growth = allowance(policy.throttle, { bucket, making: () => making(flavor) })
      standings.set(flavor, { rules: rulesAt(policy, wall), growth })
    }
    return standings
  }

  /** True if a machine of the flavor that has served so many jobs may serve another. */
  mayServeAgain(flavor: FlavorName, served: number): boolean {
    return served < (this.#policies.get(flavor)?.jobsMax ?? 1)
  }

  /** A machine of the flavor was named. */
  named(flavor: FlavorName): void {
    const bucket = this.#buckets.get(flavor)
    if (bucket) this.#buckets.set(flavor, { ...bucket, tokens: bucket.tokens - 1 })
  }
}
