/** Brings a database to the newest schema: the numbered files of `migrations/`, counted by `user_version`. */
import { readdirSync, readFileSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { assert, SlipwayError } from '../../model/index.ts'

/** In a bundle the folder lies beside the bundled file, under the same name. */
const FOLDER = new URL('./migrations/', import.meta.url)

/** Read when this is loaded: the process may give up the right to read its own checkout before it opens a database. */
const MIGRATIONS = readMigrations()

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

function readMigrations(): readonly string[] {
  const names = readdirSync(FOLDER)
    .filter((name) => /^\d{3}-[a-z-]+\.sql$/.test(name))
    .sort()
  return names.map((name, index) => {
    assert(Number(name.slice(0, 3)) === index + 1, `migration ${name} is out of order`)
    return readFileSync(new URL(name, FOLDER), 'utf8')
  })
}

function userVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0)
}
