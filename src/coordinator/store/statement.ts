import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** `sql` prepared for `db`, once. */
export function statement(db: DatabaseSync, sql: string): StatementSync {
  const known = prepared.get(db) ?? new Map<string, StatementSync>()
  prepared.set(db, known)
  const ready = known.get(sql) ?? db.prepare(sql)
  known.set(sql, ready)
  return ready
}

const prepared = new WeakMap<DatabaseSync, Map<string, StatementSync>>()
