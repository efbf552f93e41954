/**
 * A job's lease as its stages hold it. Each stage keeps it alive while it runs; between two stages nobody does, so its
 * time to live covers the gap. No process stays behind a stage: when the runner dies its stage notices and releases
 * the lease, and when that stage is killed as well the lease expires.
 */
import type { Client, LeaseView } from '../../api/index.ts'
import { type Clock, type Failure, type LeaseName, SlipwayError, sleep, within } from '../../model/index.ts'

/** Longer than the runner ever takes from one stage to the next. */
export const TTL_MS = 60_000
const HEARTBEAT_MS = 10_000
const WATCH_MS = 30_000
const RETRY_MS = 500
/** Longer than the longest poll. */
const CALL_DEADLINE_MS = 45_000
/** A coordinator that restarts is back long before; its leases outlive that. */
const AWAY_DEADLINE_MS = 60_000
const RELEASE_DEADLINE_MS = 15_000
/** The host's word on a machine comes after its SSH connection breaks. */
const VERDICT_DEADLINE_MS = 15_000

export interface Held {
  readonly client: Client
  readonly lease: LeaseName
  readonly clock: Clock
}

/** A client that waits for a coordinator that restarts; a front may repeat each of its calls. */
export function patient(client: Client, clock: Clock): Client {
  return {
    async call(name, options) {
      const { signal = new AbortController().signal }: { readonly signal?: AbortSignal } = options
      const giveUpAtMs = clock.now() + AWAY_DEADLINE_MS
      const limit = { step: `the coordinator's answer to ${name}`, deadlineMs: CALL_DEADLINE_MS, signal }
      for (;;) {
        try {
          return await within(limit, (limited) => client.call(name, { ...options, signal: limited }))
        } catch (error) {
          if (!isAway(error) || clock.now() > giveUpAtMs) throw error
          await sleep(clock, RETRY_MS, signal)
        }
      }
    },
  }
}

/** A loop beside the work of a stage; it never ends by itself, only throws. */
export type Vigil = (held: Held, signal: AbortSignal) => Promise<never>

/** Runs `work` beside `vigils`; its signal aborts with what one of them throws, e.g. why the lease is over. */
export async function during<T>(
  held: Held & { readonly signal: AbortSignal },
  vigils: readonly Vigil[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const done = new AbortController()
  const signal = AbortSignal.any([held.signal, done.signal])
  const running = vigils.map((vigil) => vigil(held, signal))
  for (const vigil of running) vigil.catch((error: unknown) => over.abort(error))
  try {
    return await work(AbortSignal.any([held.signal, over.signal]))
  } finally {
    done.abort(new SlipwayError('cancelled', { what: 'the heartbeat' }))
    await Promise.allSettled(running)
  }
}

/** Heartbeats; throws why the lease is over. */
export const keepAlive: Vigil = async ({ client, lease, clock }, signal) => {
  for (;;) {
    const view = await client.call('leaseHeartbeat', { params: { lease }, signal })
    if (view.state === 'ended') throw endOf(view)
    await sleep(clock, HEARTBEAT_MS, signal)
  }
}

/** Waits for the end of a granted lease, so that the loss of its machine is known at once; throws why it is over. */
export const watchEnd: Vigil = async ({ client, lease }, signal) => {
  const query = { waitMs: WATCH_MS, state: 'granted' } as const
  for (;;) {
    const view = await client.call('leaseGet', { params: { lease }, query, signal })
    if (view.state === 'ended') throw endOf(view)
  }
}

/** Why the lease is over, as soon as the coordinator knows; undefined when it still stands after all. */
export async function verdict({ client, lease }: Held, signal: AbortSignal): Promise<LeaseView | undefined> {
  const query = { waitMs: VERDICT_DEADLINE_MS, state: 'granted' } as const
  try {
    const view = await within(
      { step: `asking what became of lease ${lease}`, deadlineMs: 2 * VERDICT_DEADLINE_MS, signal },
      (inner) => client.call('leaseGet', { params: { lease }, query, signal: inner }),
    )
    return view.state === 'ended' ? view : undefined
  } catch {
    return undefined
  }
}

/** Gives the lease back; one that is already over is as good. Throws only when the coordinator cannot be told. */
export async function release({ client, lease }: Held): Promise<void> {
  const { signal } = new AbortController()
  try {
    await within({ step: `releasing lease ${lease}`, deadlineMs: RELEASE_DEADLINE_MS, signal }, (inner) =>
      client.call('leaseRelease', { params: { lease }, signal: inner }),
    )
  } catch (error) {
    if (!(error instanceof SlipwayError) || (error.code !== 'not_found' && error.code !== 'lease_expired'))
      throw error
  }
}

/** The failure that ended a lease. */
export const endOf = (view: LeaseView): SlipwayError => {
  const { code, args } = endFailure(view)
  return new SlipwayError(code, args)
}

export function endFailure({ end, failure, name }: LeaseView): Failure {
  if (failure !== undefined) return failure
  if (end === 'expired') return { code: 'lease_expired', args: { lease: name } }
  return { code: 'cancelled', args: { what: `lease ${name}` } }
}

/** `host_away`: after a restart the coordinator knows a machine's key only once its host has reported again. */
const AWAY: ReadonlySet<string> = new Set(['unreachable', 'shutting_down', 'host_away'])

function isAway(error: unknown): boolean {
  if (!(error instanceof SlipwayError) || !AWAY.has(error.code)) return false
  const { cause } = error
  // A socket that may not be opened will not open later.
  return !(cause instanceof Error && 'code' in cause && cause.code === 'EACCES')
}
