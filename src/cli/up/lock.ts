/** One `slipway up` per run directory. */
import { join } from 'node:path'
import { ensureOwnFolder, takeLock } from '../../files/index.ts'
import { SlipwayError } from '../../model/index.ts'

/**
 * Takes the lock until the process ends; throws `coordinator_running` with the holder's pid. It has a folder of root's
 * own: members of the coordinator's group may write to `run`, and a link of theirs would lead root's pen elsewhere.
 */
export async function lockRunDirectory(run: string): Promise<void> {
  const dir = join(run, 'up')
  await ensureOwnFolder(dir)
  const lock = takeLock(join(dir, 'up'))
  if (!lock.taken) throw new SlipwayError('coordinator_running', { pid: lock.holder, dir: run })
}
