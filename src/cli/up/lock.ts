/**
 * One `slipway up` per run directory. The lock is SQLite's exclusive lock on a file: the kernel drops it with the
 * process, so that a `kill -9` leaves nothing to clean up.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SlipwayError } from '../../model/index.ts'

/** Takes the lock until the process ends; throws `coordinator_running` with the holder's pid. */
export function lockRunDirectory(dir: string): void {
  const pidFile = join(dir, 'up.pid')
  // Whoever may read the file could hold a lock on it.
  const umask = process.umask(0o077)
  const lock = new DatabaseSync(join(dir, 'up.lock'), { timeout: 0 })
  process.umask(umask)
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    throw new SlipwayError('coordinator_running', { pid: readPid(pidFile), dir }, { cause })
  }
  writeFileSync(pidFile, `${process.pid}\n`)
  held.push(lock)
}

/** Kept from the garbage collector, which would give the lock back. */
const held: DatabaseSync[] = []

function readPid(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().slice(0, 20)
  } catch {
    return 'unknown'
  }
}
