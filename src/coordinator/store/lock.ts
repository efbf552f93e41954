import { join } from 'node:path'
import { takeLock } from '../../files/index.ts'
import { SlipwayError } from '../../model/index.ts'

/** One coordinator per database: takes the lock of `dir`; throws `coordinator_running` with the holder's pid. Returns its release. */
export function lockDatabase(dir: string): () => void {
  const lock = takeLock(join(dir, 'coordinator'))
  if (lock.taken) return lock.release
  throw new SlipwayError('coordinator_running', { pid: lock.holder, dir })
}
