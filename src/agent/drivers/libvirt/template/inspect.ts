import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { AFTER, BEFORE, type SecretPattern } from './secrets.ts'

export interface Inspection {
  readonly sha256: string
  readonly bytes: number
  /** What was found that must not be there, first of all; the search ends with it, not the digest. */
  readonly secret?: string
}

/** Read at once; a pass over it keeps the process from nothing else for more than a few milliseconds. */
const CHUNK_BYTES = 1024 * 1024
/** Kept of one chunk for the next: nothing is cut in two. */
const OVERLAP_BYTES = BEFORE + AFTER + 256

/** Reads a file once: its digest, and the first secret in it. Holes and zeros cost next to nothing. */
export async function inspect(
  file: string,
  { patterns, signal }: { readonly patterns: readonly SecretPattern[]; readonly signal: AbortSignal },
): Promise<Inspection> {
  const hash = createHash('sha256')
  const window = Buffer.alloc(OVERLAP_BYTES + CHUNK_BYTES)
  let kept = 0
  let bytes = 0
  let secret: string | undefined
  await using handle = await open(file, 'r')
  for (;;) {
    signal.throwIfAborted()
    const { bytesRead } = await handle.read(window, kept, CHUNK_BYTES, bytes)
    if (bytesRead === 0) break
    hash.update(window.subarray(kept, kept + bytesRead))
    bytes += bytesRead
    const seen = window.subarray(0, kept + bytesRead)
    secret ??= findSecret(seen, patterns)
    kept = Math.min(OVERLAP_BYTES, seen.length)
    window.copy(window, 0, seen.length - kept, seen.length)
  }
  return { sha256: hash.digest('hex'), bytes, ...(secret !== undefined && { secret }) }
}

/** The first pattern's name that `bytes` hold whole. */
export function findSecret(bytes: Buffer, patterns: readonly SecretPattern[]): string | undefined {
  if (isZero(bytes)) return undefined
  return patterns.find((pattern) => holds(bytes, pattern))?.what
}

function holds(bytes: Buffer, { anchor, test }: SecretPattern): boolean {
  for (let at = bytes.indexOf(anchor); at !== -1; at = bytes.indexOf(anchor, at + 1)) {
    const around = bytes.toString('latin1', Math.max(0, at - BEFORE), at + anchor.length + AFTER)
    if (test.test(around)) return true
  }
  return false
}

const ZEROS = Buffer.alloc(OVERLAP_BYTES + CHUNK_BYTES)
const isZero = (bytes: Buffer): boolean => bytes.compare(ZEROS, 0, bytes.length) === 0
