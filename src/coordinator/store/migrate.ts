/** Brings a database to the newest schema: the numbered files of `migrations/`, counted by `user_version`. */
import { readdirSync, readFileSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { assert, SlipwayError } from '../../model/index.ts'

/** In a bundle the folder lies beside the bundled file, under the same name. */
const FOLDER = new URL('./migrations/', import.meta.url)

/**
 * Read when this file is loaded: a coordinator that was started as root and gave it up may no longer reach the folder
 * that it came from.
 */
const MIGRATIONS: readonly string[] = readdirSync(FOLDER)
  .filter((name) => /^\d{3}-[a-z-]+\.sql$/.test(name))
  .sort()
  .map((name, index) => {
    assert(Number(name.slice(0, 3)) === index + 1, `migration ${name} is out of order`)
    return readFileSync(new URL(name, FOLDER), 'utf8')
  })

/** Applies what is missing, each file in a transaction of its own; throws `database_newer` for a schema of the future. */
export function migrate(db: DatabaseSync, file: string): void {
  const theirs = userVersion(db)
  if (theirs > MIGRATIONS.length) {
    throw new SlipwayError('database_newer', { file, theirs, ours: MIGRATIONS.length })
  }
  MIGRATIONS.slice(theirs).forEach((sql, index) => {
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${theirs + index + 1}; COMMIT`)
  })
}

function userVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0)
}
