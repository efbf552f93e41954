import { ZodError } from 'zod'
import { SlipwayError } from '../../model/index.ts'

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
