/** Queries on leases; each row is parsed by a schema before anybody trusts it. */
import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import {
  consoleTail,
  failure,
  flavorName,
  hostId,
  leaseId,
  leaseName,
  machineId,
  timeline,
  trustDomain,
} from '../../api/server.ts'
import {
  assert,
  type FlavorName,
  type Lease,
  type LeaseEnd,
  type TimelineStep,
  type TrustDomain,
} from '../../model/index.ts'
import { statement } from './statement.ts'

/** A lease with what a restart, or a person who asks why, needs besides. */
export interface LeaseRecord {
  readonly lease: Lease
  /** Of its machine, or of the machine that failed it. */
  readonly timeline?: readonly TimelineStep[]
  readonly consoleTail?: readonly string[]
}

const optional = <T extends z.ZodType>(type: T) => type.nullable().transform((value) => value ?? undefined)
const json = <T extends z.ZodType>(type: T) =>
  z
    .string()
    .nullable()
    .transform((text) => (text === null ? undefined : (JSON.parse(text) as unknown)))
    .pipe(type.optional())

const row = z.strictObject({
  seq: z.int(),
  id: leaseId,
  name: leaseName,
  runner: z.string(),
  trust_domain: trustDomain,
  flavor: flavorName,
  image: optional(z.string()),
  ttl_ms: z.int(),
  asked_at_ms: z.int(),
  attempts: z.int(),
  state: z.enum(['waiting', 'granted', 'ended']),
  machine: optional(machineId),
  host: optional(hostId),
  granted_at_ms: optional(z.int()),
  ending: optional(z.enum(['released', 'expired', 'failed', 'lost'])),
  ended_at_ms: optional(z.int()),
  failure: json(failure),
  timeline: json(timeline),
  console_tail: json(consoleTail),
})

/** Every lease that has not ended, in the order they were asked for. They count as alive at `aliveAtMs`. */
export function selectLive(db: DatabaseSync, aliveAtMs: number): LeaseRecord[] {
  const rows = statement(db, `SELECT * FROM lease WHERE state <> 'ended' ORDER BY seq`).all()
  return rows.map((each) => parse(each, aliveAtMs))
}

/** Ended leases, newest first, at most `limit`; of one runner, or of one name, when given. */
export function selectEnded(
  db: DatabaseSync,
  filter: { readonly runner?: string; readonly name?: string; readonly id?: string; readonly limit: number },
): LeaseRecord[] {
  const { limit, ...wanted } = filter
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined)
  const where = ["state = 'ended'", ...given.map(([column]) => `${column} = :${column}`)].join(' AND ')
  const rows = statement(db, `SELECT * FROM lease WHERE ${where} ORDER BY seq DESC LIMIT :limit`).all({
    limit,
    ...Object.fromEntries(given),
  })
  return rows.map((each) => parse(each, 0))
}

/** What was asked for since then: flavor, image if another than its flavor's, trust domain; the latest last. */
export interface Asked {
  readonly flavor: FlavorName
  readonly image: string | undefined
  readonly trustDomain: TrustDomain
  readonly atMs: number
}

const asked = z.strictObject({
  flavor: flavorName,
  image: optional(z.string()),
  trustDomain,
  atMs: z.int(),
})

export function selectAsked(db: DatabaseSync, sinceMs: number): Asked[] {
  const rows = statement(
    db,
    `SELECT flavor, image, trust_domain AS trustDomain, max(asked_at_ms) AS atMs FROM lease
       WHERE asked_at_ms >= ? GROUP BY flavor, image, trust_domain ORDER BY atMs`,
  ).all(Math.round(sinceMs))
  return rows.map((each) => asked.parse(each))
}

/** Writes a lease as it is now, new or known. */
export function upsertLease(db: DatabaseSync, { lease, timeline, consoleTail }: LeaseRecord): void {
  const granted = lease.state === 'granted' ? lease : undefined
  const ended = lease.state === 'ended' ? lease : undefined
  statement(
    db,
    `INSERT INTO lease (id, name, runner, trust_domain, flavor, image, ttl_ms, asked_at_ms, attempts, state, machine,
       host, granted_at_ms, ending, ended_at_ms, failure, timeline, console_tail)
     VALUES (:id, :name, :runner, :trustDomain, :flavor, :image, :ttlMs, :askedAtMs, :attempts, :state, :machine,
       :host, :grantedAtMs, :ending, :endedAtMs, :failure, :timeline, :consoleTail)
     ON CONFLICT (id) DO UPDATE SET ttl_ms = :ttlMs, attempts = :attempts, state = :state, machine = :machine,
       host = coalesce(:host, host), granted_at_ms = coalesce(:grantedAtMs, granted_at_ms), ending = :ending, ended_at_ms = :endedAtMs,
       failure = :failure, timeline = :timeline, console_tail = :consoleTail`,
  ).run({
    id: lease.id,
    name: lease.name,
    runner: lease.owner.runner,
    trustDomain: lease.owner.trustDomain,
    flavor: lease.flavor,
    image: lease.image ?? null,
    ttlMs: lease.ttlMs,
    askedAtMs: Math.round(lease.askedAtMs),
    attempts: lease.attempts,
    state: lease.state,
    machine: granted?.machine ?? ended?.machine ?? null,
    host: granted?.host ?? null,
    grantedAtMs: round(granted?.grantedAtMs ?? ended?.grantedAtMs),
    ending: ended?.end ?? null,
    endedAtMs: round(ended?.endedAtMs),
    failure: text(ended?.failure),
    timeline: text(timeline),
    consoleTail: text(consoleTail),
  })
}

/**
 * Forgets ended leases beyond the newest `keep`, and those that ended before `beforeMs`: the oldest `PRUNED_AT_ONCE` are
 * looked at, so that no call waits for long. True: there may be more.
 */
export function pruneEnded(
  db: DatabaseSync,
  { keep, beforeMs }: { readonly keep: number; readonly beforeMs: number },
): boolean {
  const { changes } = statement(
    db,
    `DELETE FROM lease WHERE seq IN (SELECT seq FROM lease WHERE state = 'ended' ORDER BY seq LIMIT ${PRUNED_AT_ONCE})
       AND (ended_at_ms < :beforeMs OR seq <= coalesce(
         (SELECT seq FROM lease WHERE state = 'ended' ORDER BY seq DESC LIMIT 1 OFFSET :keep), 0))`,
  ).run({ beforeMs: Math.round(beforeMs), keep })
  return Number(changes) === PRUNED_AT_ONCE
}

const PRUNED_AT_ONCE = 500

const text = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))
const round = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value))

function parse(raw: unknown, aliveAtMs: number): LeaseRecord {
  const value = row.parse(raw)
  const claim = {
    id: value.id,
    name: value.name,
    owner: { runner: value.runner, trustDomain: value.trust_domain },
    flavor: value.flavor,
    ...(value.image === undefined ? {} : { image: value.image }),
    ttlMs: value.ttl_ms,
    askedAtMs: value.asked_at_ms,
    aliveAtMs,
    attempts: value.attempts,
  }
  return {
    lease: withState(claim, value),
    ...(value.timeline === undefined ? {} : { timeline: value.timeline }),
    ...(value.console_tail === undefined ? {} : { consoleTail: value.console_tail }),
  }
}

type Claim = Omit<Extract<Lease, { state: 'waiting' }>, 'state'>

function withState(claim: Claim, value: z.infer<typeof row>): Lease {
  if (value.state === 'waiting') return { ...claim, state: 'waiting' }
  if (value.state === 'granted') {
    assert(value.machine !== undefined && value.host !== undefined, 'a granted lease has a machine')
    const { machine, host, granted_at_ms: grantedAtMs = value.asked_at_ms } = value
    return { ...claim, state: 'granted', machine, host, grantedAtMs }
  }
  const end: LeaseEnd = value.ending ?? 'failed'
  return {
    ...claim,
    state: 'ended',
    end,
    endedAtMs: value.ended_at_ms ?? value.asked_at_ms,
    ...(value.machine === undefined ? {} : { machine: value.machine }),
    ...(value.granted_at_ms === undefined ? {} : { grantedAtMs: value.granted_at_ms }),
    ...(value.failure === undefined ? {} : { failure: value.failure }),
  }
}
