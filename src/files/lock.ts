/**
 * A lock between processes, named by a path. It is SQLite's exclusive lock on the file `PATH.lock`: the kernel drops it
 * with its process, so that a `kill -9` leaves nothing to clean up. A socket would not do: one in the file system stays
 * behind a killed process, an abstract one is seen from its own network namespace only.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SlipwayError } from '../model/index.ts'

/** SQLite's primary result code for "another connection holds the lock", https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5
const PRIMARY_CODE = 0xff
const PRIVATE = 0o600
/** Whoever may read the file could hold a lock on it. */
const UMASK = 0o077
const PID_CHARS_MAX = 20

export type Lock =
  | { readonly taken: true; readonly release: () => void }
  /** The pid of who has it, `unknown` where it cannot be read. */
  | { readonly taken: false; readonly holder: string }

/**
 * Takes the lock of `path` until it is given back or the process ends. Its folder must exist; others may not write to it.
 * Throws `host_setup` where the file cannot be had or is no lock.
 */
export function takeLock(path: string): Lock {
  for (;;) {
    const file = open(`${path}.lock`)
    if (file === undefined) return { taken: false, holder: readPid(`${path}.pid`) }
    if (isInPlace(`${path}.lock`)) {
      writeFileSync(`${path}.pid`, `${process.pid}\n`, { mode: PRIVATE })
      held.add(file)
      return { taken: true, release: () => release(path, file) }
    }
    // Its last holder removed the file at that very moment: this is no lock, the next one is taken.
    file.close()
  }
}

/** Kept from the garbage collector, which would give the locks back. */
const held = new Set<DatabaseSync>()

/** Undefined if another holds it. */
function open(path: string): DatabaseSync | undefined {
  const umask = process.umask(UMASK)
  let file: DatabaseSync | undefined
  try {
    file = new DatabaseSync(path, { timeout: 0 })
    file.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return file
  } catch (error) {
    file?.close()
    if (isBusy(error)) return undefined
    throw broken(path, error)
  } finally {
    process.umask(umask)
  }
}

/** Not put right by itself: somebody may hold the lock of a file that was spoilt since. */
function broken(path: string, cause: unknown): SlipwayError {
  const said = cause instanceof Error ? cause.message : String(cause)
  const detail = `${said}; remove the file if no Slipway of these directories runs`
  return new SlipwayError('host_setup', { object: `lock ${path}`, detail }, { cause })
}

/** True if the file that this process has open under that name still has it: proc(5) marks one that was removed. */
function isInPlace(path: string): boolean {
  const real = join(realpathSync(dirname(path)), basename(path))
  return readdirSync('/proc/self/fd').some((fd) => linkOf(`/proc/self/fd/${fd}`) === real)
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    // The descriptor that listed the folder is closed by now.
    return undefined
  }
}

/** The files go while the lock is still held: whoever opened one of them meanwhile finds it removed. */
function release(path: string, file: DatabaseSync): void {
  if (!held.delete(file)) return
  for (const suffix of ['.pid', '.lock-journal', '.lock']) rmSync(path + suffix, { force: true })
  file.close()
}

function readPid(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim().slice(0, PID_CHARS_MAX) || 'unknown'
  } catch {
    return 'unknown'
  }
}

const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (Number(error.errcode) & PRIMARY_CODE) === SQLITE_BUSY
