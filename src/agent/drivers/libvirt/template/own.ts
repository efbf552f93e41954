import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../command.ts'
import { type FoundSecret, windows } from './inspect.ts'

export interface OwnSources {
  /** The golden disk. */
  readonly disk: string
  readonly tools: string | undefined
  /** Where a whole copy of the disk may lie for a while. */
  readonly scratch: string
  readonly signal: AbortSignal
}

/** Of the file systems that images have; files begin at such a block. */
const BLOCK_BYTES = 4096
const UNPACK_MS_MAX = 10 * 60_000

/**
 * The first secret that is none of the image's own programs' (or of the tools'): libraries for cryptography carry keys
 * to test themselves with, which are in every machine's memory and everybody's disk. A key in a text file is nobody's
 * test, and neither is what the image does not hold in these very words.
 */
export async function firstAlien(
  secrets: readonly FoundSecret[],
  { disk, tools, scratch, signal }: OwnSources,
): Promise<FoundSecret | undefined> {
  const alien = secrets.find(({ pattern }) => !pattern.inPrograms)
  if (alien !== undefined || secrets.length === 0) return alien
  const raw = join(scratch, 'image.raw')
  try {
    await run('qemu-img', ['convert', '-q', '-f', 'qcow2', '-O', 'raw', disk, raw], {
      object: 'the golden disk, to look into it',
      signal,
      deadlineMs: UNPACK_MS_MAX,
    })
    const known = new Set<string>()
    for (const file of tools === undefined ? [raw] : [raw, tools])
      for (const text of await inPrograms(file, secrets, signal)) known.add(text)
    return secrets.find(({ text }) => !known.has(text))
  } finally {
    await rm(raw, { force: true })
  }
}

async function inPrograms(
  file: string,
  secrets: readonly FoundSecret[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = new Set<string>()
  for await (const { seen, offset } of windows(file, signal))
    for (const { text } of secrets) {
      if (found.has(text)) continue
      const at = seen.indexOf(text, 0, 'latin1')
      if (at !== -1 && isInProgram(seen, at, offset)) found.add(text)
    }
  return [...found]
}

/** Whether bytes that no text has stand before it in its block. */
export function isInProgram(seen: Buffer, at: number, offset: number): boolean {
  const blockStart = Math.floor((offset + at) / BLOCK_BYTES) * BLOCK_BYTES - offset
  const before = seen.subarray(Math.max(0, blockStart), at)
  return before.some((byte) => byte < 0x20 && !TEXT.has(byte))
}

/** Tab, line feed, form feed, carriage return. */
const TEXT: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0c, 0x0d])
