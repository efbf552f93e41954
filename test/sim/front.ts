/** A front of the simulation: asks for machines, keeps its leases alive, lets go of them; now and then it misbehaves. */
import type { LeaseView } from '../../src/api/index.ts'
import {
  type Clock,
  type Flavor,
  type LeaseName,
  parseId,
  SlipwayError,
  sleep,
} from '../../src/model/index.ts'
import type { Random } from './random.ts'

/** What a front may call; each call may fail as a call over a socket may. */
export interface Calls {
  ask(body: {
    readonly name: LeaseName
    readonly flavor: Flavor['name']
    readonly ttlMs: number
  }): Promise<LeaseView>
  get(
    name: LeaseName,
    query: { readonly waitMs: number; readonly state: LeaseView['state'] },
  ): Promise<LeaseView>
  heartbeat(name: LeaseName): Promise<LeaseView>
  release(name: LeaseName): Promise<LeaseView>
  access(name: LeaseName): Promise<unknown>
}

export interface FrontOptions {
  readonly clock: Clock
  readonly random: Random
  readonly calls: Calls
  readonly name: string
  readonly flavors: readonly [Flavor, ...Flavor[]]
  /** No new job from then on. */
  readonly untilMs: number
}

/** Job after job until it is time to stop. */
export async function runFront(options: FrontOptions): Promise<void> {
  const { clock, random, untilMs } = options
  await sleep(clock, random.next() * PAUSE_MS_MAX)
  while (clock.now() < untilMs) {
    await runJob(options, random.int(0, 2))
    await sleep(clock, random.next() * PAUSE_MS_MAX)
  }
}

async function runJob(
  { clock, random, calls, flavors, untilMs, ...options }: FrontOptions,
  slot: number,
): Promise<void> {
  const name = parseId('LeaseName', `${options.name}-${slot}`)
  const ttlMs = random.pick([5_000, 15_000, 40_000])
  const ask = { name, flavor: random.pick(flavors).name, ttlMs }
  const heart = new AbortController()
  const kind = random.pick([
    'good',
    'good',
    'good',
    'good',
    'long',
    'forgetful',
    'hasty',
    'twin',
    'insistent',
  ])
  try {
    if (kind === 'twin') void calls.ask(ask).catch(expected)
    await persist(clock, () => calls.ask(ask))
    void beat(clock, calls, name, ttlMs / 3, heart.signal)
    const patienceMs = kind === 'hasty' ? random.next() * 5_000 : random.next() * 90_000
    const lastMs = untilMs + PATIENCE_LEFT_MS
    const deadlineMs = kind === 'patient' ? lastMs : Math.min(lastMs, clock.now() + patienceMs)
    const lease = await awaitMachine(clock, calls, name, deadlineMs, random)
    if (lease?.state === 'granted') {
      await persist(clock, () => calls.access(name))
      await sleep(clock, kind === 'long' ? Math.max(0, untilMs - clock.now()) : random.next() * JOB_MS_MAX)
    }
    heart.abort()
    if (kind === 'forgetful') return
    await persist(clock, () => calls.release(name))
    if (kind === 'insistent') await calls.release(name)
    if (random.chance(0.3)) await calls.access(name)
  } catch (error) {
    expected(error)
  } finally {
    heart.abort()
  }
}

/** The lease once it waits no more, or as it is when patience ends. */
async function awaitMachine(
  clock: Clock,
  calls: Calls,
  name: LeaseName,
  untilMs: number,
  random: Random,
): Promise<LeaseView | undefined> {
  let lease: LeaseView | undefined
  while (clock.now() < untilMs && (lease === undefined || lease.state === 'waiting')) {
    const waitMs = Math.ceil(random.next() * Math.min(20_000, untilMs - clock.now()))
    lease = await persist(clock, () => calls.get(name, { waitMs, state: 'waiting' }))
  }
  return lease
}

async function beat(
  clock: Clock,
  calls: Calls,
  name: LeaseName,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await sleep(clock, everyMs, signal)
      await persist(clock, () => calls.heartbeat(name), signal)
    }
  } catch (error) {
    if (!signal.aborted) expected(error)
  }
}

/** Calls until the coordinator answers: while it is away a front tries again, as a real one does. */
async function persist<T>(clock: Clock, call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof SlipwayError) || !PASSING.has(error.code)) throw error
    }
    await sleep(clock, RETRY_MS, signal)
  }
}

/** A refusal ends the job; anything else is a bug and is seen where it was thrown. */
function expected(error: unknown): void {
  if (!(error instanceof SlipwayError)) throw error
}

const PASSING: ReadonlySet<string> = new Set(['unreachable', 'too_busy', 'shutting_down'])
const RETRY_MS = 500
const PAUSE_MS_MAX = 5_000
const JOB_MS_MAX = 30_000
/** A lease that still waits so long after the last job was begun is let go. */
const PATIENCE_LEFT_MS = 70_000
