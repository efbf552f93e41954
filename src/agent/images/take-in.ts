/** How a disk file gets into the store: inspected and hashed while it is copied, and seen there only once it is whole. */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, type FileHandle, open, rename, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { type ImageManifest, parseId, SlipwayError } from '../../model/index.ts'
import { isMissing, readWhole, syncFolder } from '../durable-file.ts'
import { MANIFEST_BYTES_MAX, manifestOf, manifestText, parseManifest } from './manifest.ts'
import { HEAD_BYTES, inspectQcow2 } from './qcow2-header.ts'
import type { ImageWords, Recipe } from './recipe.ts'

const MIB = 1024 * 1024
const IMAGE_BYTES_MAX = 256 * 1024 * MIB
const CHUNK_BYTES = 4 * MIB
/** Left to the host, whatever an image needs. */
const FREE_MIB_MIN = 256
/** Readable by each machine's own uid, writable by none. */
const EVERYBODY_READS = 0o444

export interface TakeIn {
  readonly store: string
  /** A folder of the store that goes with this call. */
  readonly scratch: string
  readonly file: string
  readonly recipe: Recipe
  readonly builtAtMs: number
  readonly signal: AbortSignal
}

/**
 * Copies `file` into the store under its digest. A disk that is there already keeps its manifest, if it bears the same
 * name and version. Throws `image_refused`, `disk_full`, `conflict`.
 */
export async function takeIn(options: TakeIn): Promise<ImageManifest> {
  const { store, scratch, file, recipe, builtAtMs, signal } = options
  const draft = join(scratch, 'disk')
  const seen = await copy({ file, draft, store, signal })
  return place({ store, scratch, draft, words: recipe, builtAtMs, ...seen })
}

export interface Place {
  readonly store: string
  readonly scratch: string
  /** The disk, whole and on its file system: in the store's. */
  readonly draft: string
  readonly words: ImageWords
  readonly builtAtMs: number
  readonly sizeBytes: number
  readonly virtualBytes: number
  /** SHA-256 of `draft`. */
  readonly hex: string
}

/** Puts a disk that was judged and hashed in its place, and its manifest after it. Throws `conflict`. */
export async function place(options: Place): Promise<ImageManifest> {
  const { store, scratch, draft, words, builtAtMs, sizeBytes, virtualBytes, hex } = options
  const builtAt = new Date(builtAtMs).toISOString()
  const digest = parseId('ImageDigest', `sha256:${hex}`)
  const manifest = manifestOf(words, { digest, sizeBytes, virtualBytes, builtAt })
  const present = await manifestAt(store, hex)
  if (present !== undefined) return agreed(present, manifest)

  const file = join(scratch, 'manifest')
  await using written = await open(file, 'wx')
  await written.writeFile(manifestText(manifest))
  await written.sync()
  for (const path of [file, draft]) await chmod(path, EVERYBODY_READS)
  await rename(draft, diskPath(store, hex))
  await rename(file, manifestPath(store, hex))
  await syncFolder(store)
  return manifest
}

export const diskPath = (store: string, hex: string): string => join(store, `${hex}.qcow2`)
export const manifestPath = (store: string, hex: string): string => join(store, `${hex}.json`)

/** Undefined if there is none. */
export async function manifestAt(store: string, hex: string): Promise<ImageManifest | undefined> {
  const path = manifestPath(store, hex)
  const text = await readWhole(path, MANIFEST_BYTES_MAX)
  return text === undefined ? undefined : parseManifest(path, text)
}

function agreed(present: ImageManifest, wanted: ImageManifest): ImageManifest {
  if (present.name === wanted.name && present.version === wanted.version) return present
  const detail = `the same disk is ${present.name} ${present.version}`
  throw new SlipwayError('conflict', { kind: 'image', name: wanted.name, detail })
}

interface Copy {
  readonly file: string
  readonly draft: string
  readonly store: string
  readonly signal: AbortSignal
}

interface Copied {
  readonly sizeBytes: number
  readonly virtualBytes: number
  readonly hex: string
}

/** Nothing is believed of the source but the bytes that were read from it once. */
async function copy({ file, draft, store, signal }: Copy): Promise<Copied> {
  await using source = await openSource(file)
  const { size: sizeBytes } = await source.stat()
  await requireRoom(store, sizeBytes / MIB)
  await using target = await open(draft, 'wx')
  const hash = createHash('sha256')
  let virtualBytes = 0
  let copied = 0
  while (copied < sizeBytes) {
    signal.throwIfAborted()
    const { buffer, bytesRead } = await source.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, copied)
    const chunk = buffer.subarray(0, bytesRead)
    if (bytesRead === 0) throw refused(file, 'it became shorter while it was read')
    if (copied === 0) virtualBytes = virtualBytesOf(file, chunk, sizeBytes)
    hash.update(chunk)
    await write(target, chunk, store)
    copied += bytesRead
  }
  await target.sync()
  return { sizeBytes: copied, virtualBytes, hex: hash.digest('hex') }
}

/** No link, no device, no pipe: what the operator named is what is read. */
async function openSource(file: string): Promise<FileHandle> {
  let source: FileHandle
  try {
    source = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    const detail = isMissing(cause) ? 'there is no such file' : 'it cannot be opened'
    throw new SlipwayError('image_refused', { file, detail }, { cause })
  }
  return mayBeDisk(file, source)
}

/** `handle` itself; closes it and throws `image_refused` if it leads to what cannot be a disk file. */
export async function mayBeDisk(file: string, handle: FileHandle): Promise<FileHandle> {
  const found = await handle.stat()
  if (found.isFile() && found.size > 0 && found.size <= IMAGE_BYTES_MAX) return handle
  await handle.close()
  if (found.isSymbolicLink()) throw refused(file, 'it is a symbolic link; name the file it leads to')
  throw refused(file, found.isFile() ? `it has ${found.size} bytes` : 'it is no regular file')
}

function virtualBytesOf(file: string, chunk: Uint8Array, sizeBytes: number): number {
  const inspection = inspectQcow2(chunk.subarray(0, HEAD_BYTES), sizeBytes)
  if (!inspection.flat) throw refused(file, inspection.reason)
  return inspection.virtualBytes
}

/** Throws `disk_full` unless `neededMiB` and what the host keeps are free where the store lies. */
export async function requireRoom(store: string, neededMiB: number): Promise<void> {
  const { bavail, bsize } = await statfs(store)
  const freeMiB = Math.floor((bavail * bsize) / MIB)
  const needed = Math.ceil(neededMiB) + FREE_MIB_MIN
  if (freeMiB < needed) throw new SlipwayError('disk_full', { path: store, freeMiB, neededMiB: needed })
}

async function write(target: FileHandle, chunk: Uint8Array, store: string): Promise<void> {
  try {
    await target.writeFile(chunk)
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC')) throw cause
    const neededMiB = Math.ceil(chunk.length / MIB)
    throw new SlipwayError('disk_full', { path: store, freeMiB: 0, neededMiB }, { cause })
  }
}

export const refused = (file: string, detail: string): SlipwayError =>
  new SlipwayError('image_refused', { file, detail })
