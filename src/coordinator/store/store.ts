/**
 * What must survive the process: leases, tokens, which machines have served, and which database this is.
 * Machines are not here: their hosts report them again.
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { type DatabaseId, type MachineId, parseId } from '../../model/index.ts'
import {
  type Asked,
  type LeaseRecord,
  pruneEnded,
  selectAsked,
  selectEnded,
  selectLive,
  upsertLease,
} from './leases.ts'
import { lockDatabase } from './lock.ts'
import { migrate } from './migrate.ts'
import { insertSeen, type Seen, selectOwner } from './seen.ts'
import { deleteServed, insertServed, type Served, selectServed } from './served.ts'
import { guarded } from './sqlite-error.ts'
import { deleteToken, insertToken, selectTokens, type Token } from './tokens.ts'

/** One durable fact. What is handed to `commit` together becomes durable together, or not at all. */
export type Change =
  | { readonly kind: 'lease'; readonly record: LeaseRecord }
  | { readonly kind: 'served'; readonly served: Served }
  | { readonly kind: 'gone'; readonly machine: MachineId }
  | { readonly kind: 'seen'; readonly seen: Seen }

export interface Store {
  readonly database: DatabaseId
  /** Counts a coordinator's start and returns its number, 1 for the first. */
  beginEpoch(): number
  /** Leases that have not ended, oldest first; all of them count as alive now (`aliveAtMs`, monotonic). */
  liveLeases(aliveAtMs: number): readonly LeaseRecord[]
  /** Ended leases, newest first. */
  endedLeases(filter: {
    readonly runner?: string
    readonly name?: string
    readonly id?: string
    readonly limit: number
  }): readonly LeaseRecord[]
  /** What was asked for since then, wall clock. */
  asked(sinceMs: number): readonly Asked[]
  /** Machines that were granted once and are not known to be gone. */
  served(): readonly Served[]
  /** Whose a mark was first; undefined: no machine has shown it. */
  ownerOf(mark: Uint8Array): Uint8Array | undefined
  /** Durable when this returns; throws `database_failed` and changes nothing otherwise. */
  commit(changes: readonly Change[]): void
  /** Forgets some of the ended leases that nobody will ask about any more. True: there may be more of them. */
  prune(nowWallMs: number): boolean
  tokens(): readonly { readonly token: Token; readonly hash: Uint8Array }[]
  addToken(token: Token, hash: Uint8Array): void
  removeToken(runner: string): void
  close(): void
}

/** Ended leases are kept this long, and this many of them. */
const ENDED_KEPT_MS = 7 * 24 * 3_600_000
const ENDED_KEPT = 100_000

/**
 * Opens the database in directory `dir`, or one in memory; makes what is missing. Throws `coordinator_running`,
 * `database_newer`, `database_failed`.
 */
export function openStore({
  dir,
  makeId,
}: {
  readonly dir: string | ':memory:'
  readonly makeId: () => DatabaseId
}): Store {
  if (dir === ':memory:') return build(new DatabaseSync(dir), { file: dir, makeId, unlock: () => {} })
  const file = join(dir, 'coordinator.db')
  return guarded(file, () => {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const unlock = lockDatabase(dir)
    try {
      if (!existsSync(file)) writeFileSync(file, '', { mode: 0o600 })
      chmodSync(file, 0o600)
      return build(new DatabaseSync(file), { file, makeId, unlock })
    } catch (error) {
      unlock()
      throw error
    }
  })
}

interface Around {
  readonly file: string
  readonly makeId: () => DatabaseId
  readonly unlock: () => void
}

function build(db: DatabaseSync, { file, makeId, unlock }: Around): Store {
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
  migrate(db, file)
  db.prepare('INSERT INTO origin (only, database, epoch) VALUES (1, ?, 0) ON CONFLICT DO NOTHING').run(
    makeId(),
  )
  const origin = z.object({ database: z.string() }).parse(db.prepare('SELECT database FROM origin').get())

  return {
    database: parseId('DatabaseId', origin.database),
    beginEpoch: () =>
      guarded(file, () => {
        const raw = db.prepare('UPDATE origin SET epoch = epoch + 1 RETURNING epoch').get()
        return z.object({ epoch: z.int() }).parse(raw).epoch
      }),
    liveLeases: (aliveAtMs) => guarded(file, () => selectLive(db, aliveAtMs)),
    endedLeases: (filter) => guarded(file, () => selectEnded(db, filter)),
    asked: (sinceMs) => guarded(file, () => selectAsked(db, sinceMs)),
    served: () => guarded(file, () => selectServed(db)),
    ownerOf: (mark) => guarded(file, () => selectOwner(db, mark)),
    commit: (changes) =>
      guarded(file, () =>
        atomically(db, () => {
          for (const change of changes) write(db, change)
        }),
      ),
    prune: (nowWallMs) =>
      guarded(file, () => pruneEnded(db, { keep: ENDED_KEPT, beforeMs: nowWallMs - ENDED_KEPT_MS })),
    tokens: () => guarded(file, () => selectTokens(db)),
    addToken: (token, hash) => guarded(file, () => insertToken(db, token, hash)),
    removeToken: (runner) => guarded(file, () => deleteToken(db, runner)),
    close() {
      db.close()
      unlock()
    },
  }
}

function write(db: DatabaseSync, change: Change): void {
  if (change.kind === 'lease') upsertLease(db, change.record)
  else if (change.kind === 'served') insertServed(db, change.served)
  else if (change.kind === 'seen') insertSeen(db, change.seen)
  else deleteServed(db, change.machine)
}

function atomically(db: DatabaseSync, task: () => void): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    task()
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
