/**
 * Whose the coordinator's socket is. Its folder may be written to by operators, so that one of them could listen there
 * while the coordinator is away, and tell root's agent what to run. What counts is who made the file: the coordinator's
 * account, ourselves, or root. A folder others may write to must be sticky, else they could exchange the file.
 */
import { lstatSync, readFileSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { SlipwayError } from '../model/index.ts'

/** The account that `slipway up` makes for the coordinator. */
const COORDINATOR = 'slipway'
const ROOT_UID = 0
const STICKY = 0o1000
const WRITABLE_BY_OTHERS = 0o022

/** A socket that was looked at. */
export interface TrustedSocket {
  /** Throws if `path` is another file by now: to be asked once connected, before a word is said or heard. */
  confirm(): void
}

/** Throws `unreachable` if nothing is there, `untrusted_socket` if it is somebody else's to make. */
export function trustSocket(path: string): TrustedSocket {
  const { ino, dev } = inspect(path)
  return {
    confirm() {
      const now = inspect(path)
      if (now.ino !== ino || now.dev !== dev) throw untrusted(path, 'it was exchanged while it was opened')
    },
  }
}

function inspect(path: string): Stats {
  const trusted = trustedUids()
  const folder = look(dirname(path), path)
  if (!trusted.includes(folder.uid)) throw untrusted(path, `its folder belongs to user ${folder.uid}`)
  if ((folder.mode & WRITABLE_BY_OTHERS) !== 0 && (folder.mode & STICKY) === 0)
    throw untrusted(path, 'others may write to its folder, which is not sticky')
  const file = look(path, path)
  if (!file.isSocket()) throw untrusted(path, 'it is no socket')
  if (!trusted.includes(file.uid)) throw untrusted(path, `it belongs to user ${file.uid}`)
  return file
}

function look(path: string, socket: string): Stats {
  try {
    return lstatSync(path)
  } catch (cause) {
    throw new SlipwayError('unreachable', { socket }, { cause })
  }
}

/** passwd(5). */
function trustedUids(): readonly number[] {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${COORDINATOR}:`))
  const uid = line?.split(':')[2]
  const own = process.getuid?.() ?? ROOT_UID
  return [ROOT_UID, own, ...(uid === undefined ? [] : [Number(uid)])]
}

const untrusted = (socket: string, detail: string): SlipwayError =>
  new SlipwayError('untrusted_socket', { socket, detail })
