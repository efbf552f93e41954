import { ZodError } from 'zod'
import { SlipwayError } from '../../model/index.ts'

/** SQLite's primary result code for "another connection holds the lock", https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6

/** True if another process holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
  return code === SQLITE_BUSY || code === SQLITE_LOCKED
}

/** Runs `task`; what SQLite or the file system refuses (disk full, file broken, no permission) becomes `database_failed`. */
export function guarded<T>(file: string, task: () => T): T {
  try {
    return task()
  } catch (cause) {
    if (cause instanceof Error && (isFromSqlite(cause) || isFromSystem(cause) || cause instanceof ZodError)) {
      throw new SlipwayError('database_failed', { file, detail: cause.message.slice(0, 300) }, { cause })
    }
    throw cause
  }
}

const isFromSqlite = (error: Error): boolean => 'errcode' in error
const isFromSystem = (error: Error): boolean => 'syscall' in error
