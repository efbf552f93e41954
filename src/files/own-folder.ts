import { chmod, lstat, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SlipwayError } from '../model/index.ts'

const WRITABLE_BY_OTHERS = 0o022

/**
 * Makes `path` if it is missing, with exactly this mode, and refuses one that somebody else made: its parent may be
 * shared, as the run directory is with the coordinator's user, and what we keep in it decides what root does.
 * Throws `host_setup`.
 */
export async function ensureOwnFolder(path: string, mode: 0o700 | 0o755 = 0o700): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 })
    await mkdir(path, { recursive: true, mode })
    const found = await lstat(path)
    if (!found.isDirectory()) throw new Error('it is no folder')
    if (found.uid !== process.getuid?.()) throw new Error(`it belongs to user ${found.uid}`)
    if ((found.mode & WRITABLE_BY_OTHERS) !== 0) throw new Error('others may write to it')
    await chmod(path, mode)
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new SlipwayError('host_setup', { object: path, detail }, { cause })
  }
}
