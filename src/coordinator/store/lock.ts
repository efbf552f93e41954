/**
 * One coordinator per database. The lock is SQLite's own exclusive lock on a file beside the database: the kernel
 * drops it with the process, so that a `kill -9` leaves nothing to clean up. The pid file only serves the message.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SlipwayError } from '../../model/index.ts'
import { isBusy } from './sqlite-error.ts'

/** Takes the lock of `dir`; throws `coordinator_running` with the holder's pid. Returns its release. */
export function takeLock(dir: string): () => void {
  const pidFile = join(dir, 'coordinator.pid')
  const lock = new DatabaseSync(join(dir, 'coordinator.lock'), { timeout: 0 })
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    if (!isBusy(cause)) throw cause
    throw new SlipwayError('coordinator_running', { pid: readPid(pidFile), dir }, { cause })
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
  return () => lock.close()
}

function readPid(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().slice(0, 20)
  } catch {
    return 'unknown'
  }
}
