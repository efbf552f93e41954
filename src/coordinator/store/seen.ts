/** Queries on what machines have shown of themselves. */
import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { statement } from './statement.ts'

/** `mark`: 16 bytes of a digest; `owner`: 8 bytes that stand for a machine. */
export interface Seen {
  readonly mark: Uint8Array
  readonly owner: Uint8Array
}

const row = z.strictObject({ owner: z.instanceof(Uint8Array) })

/** Whose the mark was first; undefined: nobody's. */
export function selectOwner(db: DatabaseSync, mark: Uint8Array): Uint8Array | undefined {
  const raw = statement(db, 'SELECT owner FROM seen WHERE mark = ?').get(mark)
  return raw === undefined ? undefined : row.parse(raw).owner
}

export function insertSeen(db: DatabaseSync, { mark, owner }: Seen): void {
  statement(db, 'INSERT INTO seen (mark, owner) VALUES (?, ?) ON CONFLICT DO NOTHING').run(mark, owner)
}
