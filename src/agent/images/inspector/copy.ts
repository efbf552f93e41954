/** Copies a file and hashes what it has kept: the copy is judged, hashed and used, never the file somebody may change. */
import { createHash } from 'node:crypto'
import { fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, readSync, writeSync } from 'node:fs'

const CHUNK_BYTES = 4 * 1024 * 1024
/** Zeros of this size are left out of the copy: a hole reads the same and takes no room. */
const HOLE_BYTES = 64 * 1024
const SAVED_EVERY_BYTES = 256 * 1024 * 1024

export interface Copy {
  readonly source: number
  readonly target: number
  readonly bytes: number
  /** Kept by an earlier copy, which had said so. */
  readonly from: number
  readonly copied: (bytes: number) => void
  /** Whatever happens from now on, so much of the copy is there. */
  readonly saved: (bytes: number) => void
}

/** The SHA-256 of the copy; undefined if the source became shorter. Throws what the system says of a full disk. */
export function copy({ source, target, bytes, from, copied, saved }: Copy): string | undefined {
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(CHUNK_BYTES)
  const piece = (descriptor: number, at: number, end: number): Buffer => {
    const got = readSync(descriptor, buffer, 0, Math.min(CHUNK_BYTES, end - at), at)
    return buffer.subarray(0, got)
  }
  ftruncateSync(target, from)
  let at = 0
  while (at < from) {
    const chunk = piece(target, at, from)
    hash.update(chunk)
    at += chunk.length
    copied(at)
  }
  let savedBytes = at
  while (at < bytes) {
    const chunk = piece(source, at, bytes)
    if (chunk.length === 0) return undefined
    hash.update(chunk)
    writeSparse(target, chunk, at)
    at += chunk.length
    copied(at)
    if (at - savedBytes >= SAVED_EVERY_BYTES) {
      fdatasyncSync(target)
      saved(at)
      savedBytes = at
    }
  }
  ftruncateSync(target, bytes)
  fsyncSync(target)
  saved(at)
  return fstatSync(source).size === bytes ? hash.digest('hex') : undefined
}

function writeSparse(target: number, chunk: Buffer, position: number): void {
  for (let at = 0; at < chunk.length; at += HOLE_BYTES) {
    const part = chunk.subarray(at, at + HOLE_BYTES)
    if (!ZEROS.subarray(0, part.length).equals(part)) writeWhole(target, part, position + at)
  }
}

const ZEROS = Buffer.alloc(HOLE_BYTES)

function writeWhole(target: number, part: Buffer, position: number): void {
  for (let done = 0; done < part.length; ) {
    done += writeSync(target, part, done, part.length - done, position + done)
  }
}
