/**
 * What an import has copied so far: one file in the store, the inspector's own, and beside it whose copy it is and how
 * much of it is safe. An import that was cut short goes on from there; another file's import begins anew.
 */
import { constants } from 'node:fs'
import { chown, type FileHandle, lstat, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { DRAFT_SUFFIX, isMissing, readWhole, replaceFile } from '../durable-file.ts'

const DISK = 'importing.disk'
const STATE = 'importing.json'
const STATE_BYTES_MAX = 4096
/** Nobody goes on with an import of yesterday. */
const KEPT_MS_MAX = 24 * 3_600_000

/** Names a resource without opening it (open(2)); not among Node's constants. The same number on x86-64 and arm64. */
const O_PATH = 0o10_000_000
const NAMED_ONLY = O_PATH | constants.O_NOFOLLOW

/** Opens nothing: of a device, a pipe or a link no more is known than that it is one. */
export const nameFile = (path: string): Promise<FileHandle> => open(path, NAMED_ONLY)

/** Two files, or two states of one, differ in this. */
const identity = z.strictObject({
  dev: z.string(),
  ino: z.string(),
  size: z.string(),
  mtimeNs: z.string(),
  ctimeNs: z.string(),
})
export type Identity = z.infer<typeof identity>

const state = z.strictObject({ source: identity, savedBytes: z.int().min(0) })

export async function identityOf(file: FileHandle): Promise<Identity> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true })
  return { dev: `${dev}`, ino: `${ino}`, size: `${size}`, mtimeNs: `${mtimeNs}`, ctimeNs: `${ctimeNs}` }
}

export const sameIdentity = (a: Identity, b: Identity): boolean => JSON.stringify(a) === JSON.stringify(b)

export class Partial {
  readonly disk: string
  readonly #state: string
  readonly #source: Identity

  constructor(store: string, source: Identity) {
    this.disk = join(store, DISK)
    this.#state = join(store, STATE)
    this.#source = source
  }

  /** How many bytes of the copy are there; an empty file for `uid` is made where none of this source are. */
  async begin(uid: number): Promise<number> {
    const saved = await this.#saved(uid)
    if (saved > 0) return saved
    await this.discard()
    await using file = await open(this.disk, 'wx', 0o600)
    await file.chown(uid, uid)
    await this.save(0)
    return 0
  }

  save(savedBytes: number): Promise<void> {
    return replaceFile(this.#state, JSON.stringify({ source: this.#source, savedBytes }))
  }

  /** The copy is the store's now: nobody else's to write. */
  async own(): Promise<void> {
    await chown(this.disk, 0, 0)
  }

  discard(): Promise<void> {
    return discard([this.disk, this.#state, this.#state + DRAFT_SUFFIX])
  }

  async #saved(uid: number): Promise<number> {
    try {
      const text = await readWhole(this.#state, STATE_BYTES_MAX)
      const parsed = state.safeParse(JSON.parse(text ?? 'null'))
      const disk = await lstat(this.disk)
      if (!parsed.success || !sameIdentity(parsed.data.source, this.#source)) return 0
      return disk.isFile() && disk.uid === uid ? parsed.data.savedBytes : 0
    } catch {
      return 0
    }
  }
}

/** Names in a store that belong to an import. */
export const ofImport = (name: string): boolean => name.startsWith('importing.')

/** True of what an import left and nobody went on with, by the wall clock. */
export async function isAbandoned(path: string, nowMs: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs + KEPT_MS_MAX < nowMs
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

async function discard(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true })
}
