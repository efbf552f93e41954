/** What fronts may do with leases. Each call is idempotent: asked again after a lost answer it does no harm. */
import type { LeaseView, Reply } from '../api/index.ts'
import {
  type Flavor,
  type FlavorName,
  isId,
  type LeaseId,
  type LeaseName,
  SlipwayError,
} from '../model/index.ts'
import { type Caller, checkAllowed, leasesMax } from './callers.ts'
import type { Events } from './events.ts'
import type { LeaseBook } from './lease-book.ts'
import type { Ports } from './ports.ts'
import type { LiveLease, State } from './state.ts'
import type { LeaseRecord } from './store/leases.ts'
import { accessView, leaseView } from './views.ts'

export interface LeaseAsk {
  readonly name: LeaseName
  readonly flavor: FlavorName
  readonly image?: string | undefined
  readonly ttlMs: number
}

export interface LeaseWait {
  /** What the caller knows it to be; absent: as it is now. */
  readonly state?: LeaseView['state']
  readonly waitMs: number
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal
}

/** Live leases over all owners, and ended ones that a list shows. */
const LIVE_MAX = 10_000
const ENDED_LISTED_MAX = 500

export class Leases {
  readonly #state: State
  readonly #ports: Ports
  readonly #events: Events
  readonly #book: LeaseBook
  readonly #flavors: ReadonlyMap<FlavorName, Flavor>
  /** How many calls of its owner wait on a lease. */
  readonly #waiting = new Map<LeaseId, number>()

  constructor(parts: {
    readonly state: State
    readonly ports: Ports
    readonly events: Events
    readonly book: LeaseBook
    readonly flavors: ReadonlyMap<FlavorName, Flavor>
  }) {
    this.#state = parts.state
    this.#ports = parts.ports
    this.#events = parts.events
    this.#book = parts.book
    this.#flavors = parts.flavors
  }

  /** Makes the lease, or finds the live one of that name if it asks for the same. */
  ask(caller: Caller, ask: LeaseAsk): LiveLease {
    const known = this.#state.named(caller.runner, ask.name)
    if (known) return this.#again(known, ask)
    const flavor = this.#flavors.get(ask.flavor)
    if (!flavor) {
      const names = [...this.#flavors.keys()].join(', ')
      throw new SlipwayError('unknown_flavor', { flavor: ask.flavor, known: names })
    }
    checkAllowed(caller, flavor, ask.image)
    const limit = leasesMax(caller)
    if (this.#state.countOf(caller.runner) >= limit) {
      throw new SlipwayError('too_busy', { what: `runner ${caller.runner}`, limit })
    }
    if (this.#state.leases.size >= LIVE_MAX) {
      throw new SlipwayError('too_busy', { what: 'the coordinator', limit: LIVE_MAX })
    }
    const { clock, ids } = this.#ports
    const live: LiveLease = {
      lease: {
        id: ids.lease(),
        name: ask.name,
        owner: { runner: caller.runner, trustDomain: caller.trustDomain },
        flavor: ask.flavor,
        ...(ask.image === undefined ? {} : { image: ask.image }),
        ttlMs: ask.ttlMs,
        askedAtMs: clock.wall(),
        aliveAtMs: clock.now(),
        attempts: 0,
        state: 'waiting',
      },
    }
    this.#book.add(live)
    const { id, name, flavor: wanted, owner } = live.lease
    const image = ask.image ?? flavor.image
    this.#state.demand({ flavor: wanted, image, trustDomain: owner.trustDomain, atMs: clock.now() })
    this.#events.leaseAsked({ lease: id, name, runner: caller.runner, flavor: wanted })
    return live
  }

  /** Live or ended, by name or by id: the caller's own; for the operator anybody's. */
  find(caller: Caller, name: string): LiveLease | LeaseRecord {
    const own = this.#own(caller, name)
    if (own) return own
    const others = [...this.#state.leases.values()].filter(({ lease }) => matches(lease, name))
    const ended = others.length === 0 ? this.#endedOf(name) : undefined
    const found = others[0] ?? ended
    if (!found) throw new SlipwayError('not_found', { kind: 'lease', name })
    if (caller.token) throw new SlipwayError('forbidden', { what: `lease "${name}"` })
    if (others.length > 1) {
      const candidates = others.map(({ lease }) => `${lease.owner.runner}/${lease.name} (${lease.id})`)
      throw new SlipwayError('ambiguous', { name, candidates: candidates.slice(0, 10).join(', ') })
    }
    return found
  }

  /** The front lives. An ended lease is shown as it ended. */
  heartbeat(caller: Caller, name: string): LiveLease | LeaseRecord {
    const mine = this.#mine(caller, name)
    return isLive(mine) ? this.#alive(mine) : mine
  }

  /**
   * The lease as soon as its state differs from `state`, after `waitMs` in any case. An owner who asks is alive: this
   * counts as a heartbeat, when it begins, while it waits and when it ends.
   */
  async wait(caller: Caller, name: string, { state, waitMs, signal }: LeaseWait): Promise<LeaseView> {
    const found = this.#touch(caller, name)
    const { id, state: now, owner } = found.lease
    if (now !== (state ?? now) || now === 'ended' || waitMs === 0) return this.view(found)
    const own = owner.runner === caller.runner
    this.#count(id, own ? 1 : 0)
    try {
      await this.#changed(id, { waitMs, signal })
    } finally {
      this.#count(id, own ? -1 : 0)
    }
    if (signal.aborted) throw new SlipwayError('cancelled', { what: `waiting for lease "${name}"` })
    return this.view(this.#touch(caller, id))
  }

  /** Leases whose owners are waiting on them are alive. */
  touchWaiting(): void {
    for (const id of this.#waiting.keys()) {
      const live = this.#state.leases.get(id)
      if (live) this.#alive(live)
    }
  }

  /** Ends the lease, whatever it waits for or holds. Fine if it has ended. */
  release(caller: Caller, name: string): LeaseRecord {
    const found = this.find(caller, name)
    if (!isLive(found)) return found
    this.#book.settle({ ends: [{ live: found, end: 'released' }], grants: [] })
    return this.find(caller, found.lease.id)
  }

  /** The key to the machine: for the owner alone, while the lease is granted. */
  access(caller: Caller, name: string): Reply<'leaseAccess'> {
    const { lease } = this.#mine(caller, name)
    if (lease.state !== 'granted') {
      if (lease.state === 'ended' && lease.failure) {
        throw new SlipwayError(lease.failure.code, lease.failure.args)
      }
      throw new SlipwayError('not_granted', { lease: name, state: lease.state })
    }
    const access = this.#state.machines.get(lease.machine)?.access
    if (!access) throw new SlipwayError('host_away', { host: lease.host })
    return accessView(access)
  }

  list(caller: Caller, { ended }: { readonly ended: boolean }): LeaseView[] {
    const live = [...this.#state.leases.values()].filter(
      ({ lease }) => !caller.token || lease.owner.runner === caller.runner,
    )
    const filter = { limit: ENDED_LISTED_MAX, ...(caller.token ? { runner: caller.runner } : {}) }
    const over = ended ? this.#ports.store.endedLeases(filter) : []
    return [...live, ...over].map((record) => this.view(record))
  }

  view(record: LeaseRecord | LiveLease): LeaseView {
    const { clock } = this.#ports
    const time = { now: clock.now(), wall: clock.wall() }
    return leaseView(record, { state: this.#state, flavors: this.#flavors, ...time })
  }

  /** `find`; whoever looks at a lease of their own keeps it alive. */
  #touch(caller: Caller, name: string): LiveLease | LeaseRecord {
    const found = this.find(caller, name)
    const own = found.lease.owner.runner === caller.runner
    return isLive(found) && own ? this.#alive(found) : found
  }

  #count(id: LeaseId, by: number): void {
    const count = (this.#waiting.get(id) ?? 0) + by
    if (count > 0) this.#waiting.set(id, count)
    else this.#waiting.delete(id)
  }

  #changed(id: LeaseId, { waitMs, signal }: Omit<LeaseWait, 'state'>): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        unwatch()
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const unwatch = this.#book.watch(id, done)
      const cancel = this.#ports.clock.after(waitMs, done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }

  #again(known: LiveLease, ask: LeaseAsk): LiveLease {
    const { lease } = known
    const differs =
      lease.flavor !== ask.flavor
        ? `flavor ${lease.flavor}`
        : lease.image !== ask.image
          ? `image ${lease.image ?? 'of its flavor'}`
          : undefined
    if (differs)
      throw new SlipwayError('conflict', { kind: 'lease', name: ask.name, detail: `it has ${differs}` })
    return this.#alive(known)
  }

  #alive({ lease, ...rest }: LiveLease): LiveLease {
    const live = { ...rest, lease: { ...lease, aliveAtMs: this.#ports.clock.now() } }
    this.#state.setLease(live)
    return live
  }

  #mine(caller: Caller, name: string): LiveLease | LeaseRecord {
    const found = this.find(caller, name)
    if (found.lease.owner.runner !== caller.runner) {
      throw new SlipwayError('forbidden', { what: `lease "${name}"` })
    }
    return found
  }

  #own({ runner }: Caller, name: string): LiveLease | LeaseRecord | undefined {
    const live = this.#state.named(runner, name)
    if (live) return live
    if (isId('LeaseId', name)) {
      const byId = this.#state.leases.get(name)
      if (byId) return byId.lease.owner.runner === runner ? byId : undefined
      return this.#ports.store.endedLeases({ runner, id: name, limit: 1 })[0]
    }
    return this.#ports.store.endedLeases({ runner, name, limit: 1 })[0]
  }

  #endedOf(name: string): LeaseRecord | undefined {
    const key = isId('LeaseId', name) ? { id: name } : { name }
    return this.#ports.store.endedLeases({ ...key, limit: 1 })[0]
  }
}

const matches = ({ id, name }: LiveLease['lease'], text: string): boolean => id === text || name === text

export const isLive = (record: LiveLease | LeaseRecord): record is LiveLease => record.lease.state !== 'ended'
