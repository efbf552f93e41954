/** When a waiting lease should have its machine, going by what was seen lately. Where that says nothing, nothing is said. */
import type { ErrorCode, FlavorName } from '../model/index.ts'

/** What a flavor's machines and jobs have lately taken. */
export interface Lately {
  /** From named to ready. */
  readonly makingMs: readonly number[]
  /** From granted to released. */
  readonly leaseMs: readonly number[]
}

export interface Waits {
  /** In its pool, from 1. */
  readonly position: number
  /** Why it has no machine in the making; absent: it has one, or its turn comes. */
  readonly reason: ErrorCode | undefined
  /** For how long each machine of its pool has been in the making. */
  readonly makingMs: readonly number[]
  /** Leases whose end makes room for it: for how long each has run, and what such leases have lately taken. */
  readonly running: readonly { readonly ranMs: number; readonly leaseMs: readonly number[] }[]
  /** What its flavor's machines have lately taken. */
  readonly madeMs: readonly number[]
}

/** How long it has to go; `undefined`: nobody can tell. */
export function forecast({ position, reason, makingMs, running, madeMs }: Waits): number | undefined {
  const made = median(madeMs)
  if (made === undefined) return undefined
  const oldestFirst = makingMs.toSorted((a, b) => b - a)
  const own = oldestFirst[position - 1]
  if (own !== undefined) return Math.max(0, made - own)
  const ahead = position - oldestFirst.length
  if (reason === 'growth_limited' || reason === 'idle_only') return inRounds(position, oldestFirst, made)
  if (reason !== 'too_busy' && reason !== 'no_capacity') return reason === undefined ? made : undefined
  const free = whenFree(ahead, running)
  return free === undefined ? undefined : free + made
}

/** So many machines at a time are made, those of now among them. */
function inRounds(position: number, makingMs: readonly number[], made: number): number | undefined {
  const [oldest] = makingMs
  if (oldest === undefined) return undefined
  return Math.ceil(position / makingMs.length) * made - Math.min(oldest, made)
}

/** When the `nth` of the running leases should end. More wait than run: they take turns. */
function whenFree(nth: number, running: Waits['running']): number | undefined {
  const lefts = running.flatMap(({ ranMs, leaseMs }) => left(ranMs, leaseMs) ?? []).sort((a, b) => a - b)
  const turns = Math.floor((nth - 1) / Math.max(1, lefts.length))
  const turnMs = median(running.flatMap(({ leaseMs }) => median(leaseMs) ?? []))
  const last = lefts[(nth - 1) % Math.max(1, lefts.length)]
  return last === undefined || turnMs === undefined ? undefined : last + turns * turnMs
}

/** How long one that has run for so long goes on: what others had to go at that age. None was ever so old: unknown. */
function left(ranMs: number, leaseMs: readonly number[]): number | undefined {
  const usual = median(leaseMs.filter((each) => each > ranMs))
  return usual === undefined ? undefined : usual - ranMs
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)]
}

const SAMPLES_MAX = 50

/** Keeps the last few of each flavor. */
export class Memory {
  readonly #lately = new Map<FlavorName, { makingMs: number[]; leaseMs: number[] }>()

  of(flavor: FlavorName): Lately {
    return this.#lately.get(flavor) ?? NOTHING
  }

  made(flavor: FlavorName, tookMs: number): void {
    this.#keep(flavor, 'makingMs', tookMs)
  }

  released(flavor: FlavorName, ranMs: number): void {
    this.#keep(flavor, 'leaseMs', ranMs)
  }

  #keep(flavor: FlavorName, what: keyof Lately, ms: number): void {
    const known = this.#lately.get(flavor) ?? { makingMs: [], leaseMs: [] }
    known[what].push(ms)
    if (known[what].length > SAMPLES_MAX) known[what].shift()
    this.#lately.set(flavor, known)
  }
}

const NOTHING: Lately = { makingMs: [], leaseMs: [] }
