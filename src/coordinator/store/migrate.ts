/** Brings a database to the newest schema: the numbered files of `migrations/`, counted by `user_version`. */
import { readdirSync, readFileSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { assert, SlipwayError } from '../../model/index.ts'

/** In a bundle the folder lies beside the bundled file, under the same name. */
const FOLDER = new URL('./migrations/', import.meta.url)

/** Applies what is missing, each file in a transaction of its own; throws `database_newer` for a schema of the future. */
export function migrate(db: DatabaseSync, file: string): void {
  const files = readdirSync(FOLDER)
    .filter((name) => /^\d{3}-[a-z-]+\.sql$/.test(name))
    .sort()
  files.forEach((name, index) => {
    assert(Number(name.slice(0, 3)) === index + 1, `migration ${name} is out of order`)
  })
  const theirs = userVersion(db)
  if (theirs > files.length) {
    throw new SlipwayError('database_newer', { file, theirs, ours: files.length })
  }
  files.slice(theirs).forEach((name, index) => {
    const sql = readFileSync(new URL(name, FOLDER), 'utf8')
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${theirs + index + 1}; COMMIT`)
  })
}

function userVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0)
}
