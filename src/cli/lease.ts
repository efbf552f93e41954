/**
 * A lease as the command line holds it: asked for, kept alive by heartbeats, given back.
 *
 * A coordinator that restarts keeps its leases, so silence from it ends nothing here; its word that the lease is over
 * does.
 */
import { randomBytes } from 'node:crypto'
import type { Client, LeaseView } from '../api/index.ts'
import { type Clock, type FlavorName, type LeaseName, parseId, SlipwayError, sleep } from '../model/index.ts'

/** What is left of a lease whose holder was killed lives this long. */
const TTL_MS = 20_000
const HEARTBEAT_MS = 4_000
/** How often a waiting lease says why it waits. */
const LOOK_MS = 1_000
/** A coordinator that is away for longer than this while nothing is granted yet is given up. */
const AWAY_MS_MAX = 30_000
const RELEASE_DEADLINE_MS = 10_000

export interface Ask {
  readonly client: Client
  readonly clock: Clock
  readonly name: LeaseName
  readonly flavor: FlavorName
  readonly image: string | undefined
  /** Ends the waiting; the lease is to be released all the same. */
  readonly signal: AbortSignal
}

export const newLeaseName = (): LeaseName => parseId('LeaseName', `run-${randomBytes(6).toString('hex')}`)

/** Asks; a coordinator that is being started again is waited for, since asking again for the same name is harmless. */
export function askForLease(ask: Ask): Promise<LeaseView> {
  const { client, name, flavor, image, signal } = ask
  const body = { name, flavor, ttlMs: TTL_MS, ...(image === undefined ? {} : { image }) }
  return patiently(ask, () => client.call('leaseAsk', { body, signal }))
}

/** Waits until the lease that was asked for is granted; throws why it never will be. `look` is told why it waits. */
export async function untilGranted(
  ask: Ask,
  asked: LeaseView,
  look: (view: LeaseView) => Promise<void>,
): Promise<LeaseView> {
  const { client, name, signal } = ask
  let view = asked
  while (view.state === 'waiting') {
    await look(view)
    const query = { waitMs: LOOK_MS, state: 'waiting' } as const
    view = await patiently(ask, () => client.call('leaseGet', { params: { lease: name }, query, signal }))
  }
  if (view.state === 'ended') throw endOf(view)
  return view
}

/** Sends heartbeats until `signal` aborts or the lease is over, which rejects with why. */
export async function keepAlive(options: Pick<Ask, 'client' | 'clock' | 'name' | 'signal'>): Promise<never> {
  const { client, clock, name, signal } = options
  for (;;) {
    await sleep(clock, HEARTBEAT_MS, signal)
    try {
      const view = await client.call('leaseHeartbeat', { params: { lease: name }, signal })
      if (view.state === 'ended') throw endOf(view)
    } catch (error) {
      if (!isAway(error)) throw error
    }
  }
}

/** Gives the lease back, whatever state it is in; its machine is destroyed. Never throws: expiry does the same. */
export async function release(client: Client, name: LeaseName): Promise<boolean> {
  try {
    await client.call('leaseRelease', {
      params: { lease: name },
      signal: AbortSignal.timeout(RELEASE_DEADLINE_MS),
    })
    return true
  } catch {
    return false
  }
}

async function patiently<T>(ask: Pick<Ask, 'clock' | 'signal'>, attempt: () => Promise<T>): Promise<T> {
  const giveUpAt = ask.clock.now() + AWAY_MS_MAX
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!isAway(error) || ask.clock.now() >= giveUpAt) throw error
      await sleep(ask.clock, LOOK_MS, ask.signal)
    }
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof SlipwayError && (error.code === 'unreachable' || error.code === 'shutting_down')

function endOf(view: LeaseView): SlipwayError {
  if (view.failure !== undefined) return new SlipwayError(view.failure.code, view.failure.args)
  if (view.end === 'released') return new SlipwayError('cancelled', { what: `lease ${view.name}` })
  return new SlipwayError('lease_expired', { lease: view.name })
}
