import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { AFTER, BEFORE, type SecretPattern } from './secrets.ts'

export interface Inspection {
  readonly sha256: string
  readonly bytes: number
  /** What was found that should not be there, each text once. */
  readonly secrets: readonly FoundSecret[]
}

export interface FoundSecret {
  readonly pattern: SecretPattern
  /** What made it one, a character a byte. Never shown. */
  readonly text: string
}

/** Read at once; a pass over it keeps the process from nothing else for more than a few milliseconds. */
const CHUNK_BYTES = 1024 * 1024
/** Kept of one chunk for the next: nothing is cut in two. */
const OVERLAP_BYTES = BEFORE + AFTER + 256
/** More are not told apart. */
const SECRETS_MAX = 100

/** Reads a file once: its digest, and the secrets in it. Holes and zeros cost next to nothing. */
export async function inspect(
  file: string,
  { patterns, signal }: { readonly patterns: readonly SecretPattern[]; readonly signal: AbortSignal },
): Promise<Inspection> {
  const hash = createHash('sha256')
  const secrets = new Map<string, FoundSecret>()
  let bytes = 0
  for await (const { seen, fresh } of windows(file, signal)) {
    hash.update(fresh)
    bytes += fresh.length
    for (const secret of findSecrets(seen, patterns))
      if (secrets.size < SECRETS_MAX) secrets.set(secret.text, secret)
  }
  return { sha256: hash.digest('hex'), bytes, secrets: [...secrets.values()] }
}

/** What the patterns match in `bytes`, whole. */
export function findSecrets(bytes: Buffer, patterns: readonly SecretPattern[]): readonly FoundSecret[] {
  if (isZero(bytes)) return []
  return patterns.flatMap((pattern) => matches(bytes, pattern).map((text) => ({ pattern, text })))
}

function matches(bytes: Buffer, { anchor, test }: SecretPattern): readonly string[] {
  const found: string[] = []
  for (let at = bytes.indexOf(anchor); at !== -1; at = bytes.indexOf(anchor, at + 1)) {
    const start = Math.max(0, at - BEFORE)
    const around = bytes.toString('latin1', start, at + anchor.length + AFTER)
    for (const { index, 0: text } of around.matchAll(new RegExp(test, 'g')))
      if (start + index <= at && at < start + index + text.length) found.push(text)
  }
  return found
}

export interface Window {
  /** What was just read, after the end of what was read before. Valid until the next one. */
  readonly seen: Buffer
  readonly fresh: Buffer
  /** Where in the file `seen` begins. */
  readonly offset: number
}

/** A file in pieces that overlap by more than any pattern is long. */
export async function* windows(file: string, signal: AbortSignal): AsyncGenerator<Window> {
  const buffer = Buffer.alloc(OVERLAP_BYTES + CHUNK_BYTES)
  let kept = 0
  let position = 0
  await using handle = await open(file, 'r')
  for (;;) {
    signal.throwIfAborted()
    const { bytesRead } = await handle.read(buffer, kept, CHUNK_BYTES, position)
    if (bytesRead === 0) return
    const seen = buffer.subarray(0, kept + bytesRead)
    yield { seen, fresh: seen.subarray(kept), offset: position - kept }
    position += bytesRead
    kept = Math.min(OVERLAP_BYTES, seen.length)
    buffer.copy(buffer, 0, seen.length - kept, seen.length)
  }
}

const ZEROS = Buffer.alloc(OVERLAP_BYTES + CHUNK_BYTES)
const isZero = (bytes: Buffer): boolean => bytes.compare(ZEROS, 0, bytes.length) === 0
