/**
 * A stranger's disk file becomes an image: named, judged, copied, hashed, judged again as the copy it now is, and put in
 * its place. Nothing here opens it; the inspector does, in its sandbox, and QEMU not before all of that passed.
 */
import type { FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import { type ImageDigest, type ImageManifest, isId, SlipwayError, within } from '../../model/index.ts'
import { isMissing } from '../durable-file.ts'
import type { ImageStore } from './image-store.ts'
import { type Identity, identityOf, nameFile, Partial, sameIdentity } from './partial.ts'
import type { ImageWords } from './recipe.ts'
import { runInspector } from './sandbox.ts'
import { inScratch } from './scratch.ts'
import { mayBeDisk, place, refused, requireRoom } from './take-in.ts'

const MIB = 1024 * 1024
const DEADLINE_MS_MIN = 10 * 60_000
/** What the slowest disk worth the name copies, read twice over. */
const BYTES_PER_MS = 5 * 1024

export interface Import {
  readonly file: string
  readonly words: ImageWords
  /** What the file must be. */
  readonly digest?: ImageDigest
  readonly store: ImageStore
  /** The inspector's, nobody else's. */
  readonly uid: number
  readonly watch: ImportWatcher
  /** The wall clock, for the manifest. */
  readonly wall: () => number
  readonly signal: AbortSignal
  readonly deadlineMs?: number
}

export interface ImportWatcher {
  readonly step: (name: string) => void
  readonly copied: (bytes: number, of: number) => void
}

/**
 * Takes `file` into the store, as it is, under its digest. One that was cut short goes on where it was. Throws
 * `not_root`, `image_refused`, `digest_differs`, `disk_full`, `too_busy`, `conflict`, `timed_out`, `missing_program`,
 * `host_setup`, or the signal's reason.
 */
export async function importImage(options: Import): Promise<ImageManifest> {
  const { file, store, signal } = options
  if (process.getuid?.() !== 0) throw new SlipwayError('not_root', { what: `importing image ${file}` })
  return inScratch(store.folder, async (scratch) => {
    await using source = await namedFile(file)
    const { size } = await source.stat()
    const deadlineMs = options.deadlineMs ?? DEADLINE_MS_MIN + Math.ceil(size / BYTES_PER_MS)
    // Awaited here: the file is closed where this ends.
    return await within({ step: `importing image ${file}`, deadlineMs, signal }, (signal) =>
      takeOver({ ...options, signal, scratch, source, sizeBytes: size }),
    )
  })
}

/** No link, no device, no pipe, no folder; none of them is opened to find out. */
async function namedFile(file: string): Promise<FileHandle> {
  let handle: FileHandle
  try {
    handle = await nameFile(file)
  } catch (cause) {
    const detail = isMissing(cause) ? 'there is no such file' : 'it cannot be reached'
    throw new SlipwayError('image_refused', { file, detail }, { cause })
  }
  return mayBeDisk(file, handle)
}

interface TakeOver extends Import {
  readonly scratch: string
  readonly source: FileHandle
  readonly sizeBytes: number
}

async function takeOver(options: TakeOver): Promise<ImageManifest> {
  const { file, words, digest, store, uid, watch, wall, scratch, source, sizeBytes } = options
  const identity = await identityOf(source)
  const partial = new Partial(store.folder, identity)
  watch.step('looking at the file')
  await ask(options, { role: ['inspect'], source })
  try {
    const from = await partial.begin(uid)
    await requireRoom(store.folder, (sizeBytes - from) / MIB)
    const hex = await copy(options, { partial, from, identity })
    if (digest !== undefined && digest !== `sha256:${hex}`) {
      throw new SlipwayError('digest_differs', { file, found: `sha256:${hex}`, wanted: digest })
    }
    await partial.own()
    watch.step('looking at the copy')
    await using kept = await nameFile(partial.disk)
    const { virtualBytes = 0 } = await ask(options, { role: ['inspect'], source: kept })
    const seen = { sizeBytes, virtualBytes, hex }
    const manifest = await place({
      ...{ store: store.folder, scratch, draft: partial.disk, words, builtAtMs: wall() },
      ...seen,
    })
    await partial.discard()
    return manifest
  } catch (error) {
    if (error instanceof SlipwayError && !GOES_ON.has(error.code)) await partial.discard()
    throw error
  }
}

/** What the next call may do better than this one; everything else is the file's own fault. */
const GOES_ON: ReadonlySet<string> = new Set([
  'timed_out',
  'cancelled',
  'disk_full',
  'missing_program',
  'host_setup',
])

interface Copy {
  readonly partial: Partial
  readonly from: number
  readonly identity: Identity
}

async function copy(options: TakeOver, { partial, from, identity }: Copy): Promise<string> {
  const { file, watch, source, sizeBytes } = options
  watch.step(from > 0 ? `going on at ${Math.floor(from / MIB)} MiB` : 'copying')
  await using target = await nameFile(partial.disk)
  let saving = Promise.resolve()
  const said = await ask(options, {
    role: ['copy', `${sizeBytes}`, `${from}`],
    source,
    target,
    heard: ({ copied, saved }) => {
      if (copied !== undefined) watch.copied(copied, sizeBytes)
      if (saved === undefined) return
      saving = saving.then(() => partial.save(saved))
      // It is awaited below; one that fails before that must not end the process.
      saving.catch(() => undefined)
    },
  }).finally(() => saving)
  if (!sameIdentity(identity, await identityOf(source))) throw refused(file, 'it changed while it was read')
  if (said.sha256 === undefined || !isId('ImageDigest', `sha256:${said.sha256}`)) {
    throw refused(file, 'the inspector gave no digest')
  }
  return said.sha256
}

const message = z.strictObject({
  started: z.literal(true).optional(),
  copied: z.int().min(0).optional(),
  saved: z.int().min(0).optional(),
  sha256: z.string().max(64).optional(),
  virtualBytes: z.int().min(1).optional(),
  refused: z.string().max(200).optional(),
  failed: z.string().max(200).optional(),
})
type Message = z.infer<typeof message>

interface Question {
  readonly role: readonly string[]
  readonly source: FileHandle
  readonly target?: FileHandle
  readonly heard?: (message: Message) => void
}

/**
 * The inspector's last word. Throws `image_refused`, also where it ended without one, `disk_full`, and `host_setup` where it
 * did not begin.
 */
async function ask(options: TakeOver, { role, source, target, heard }: Question): Promise<Message> {
  const { file, store, uid, scratch, sizeBytes, signal } = options
  let last: Message | undefined
  const end = await runInspector({
    ...{ role, uid, mountPoint: scratch, source, bytes: sizeBytes, signal },
    ...(target === undefined ? {} : { target }),
    said: (line) => {
      last = parsed(line)
      heard?.(last)
    },
  })
  if (last === undefined) {
    throw new SlipwayError('host_setup', {
      object: 'the inspector of images',
      detail: end.slice(0, DETAIL_CHARS_MAX),
    })
  }
  if (last.refused !== undefined) throw refused(file, last.refused)
  if (last.failed === 'ENOSPC') {
    throw new SlipwayError('disk_full', {
      path: store.folder,
      freeMiB: 0,
      neededMiB: Math.ceil(sizeBytes / MIB),
    })
  }
  if (last.failed !== undefined || end !== '') {
    throw refused(
      file,
      `it could not be looked at within the limits (${last.failed ?? end})`.slice(0, DETAIL_CHARS_MAX),
    )
  }
  return last
}

const DETAIL_CHARS_MAX = 400

function parsed(line: string): Message {
  try {
    return message.parse(JSON.parse(line))
  } catch {
    return { failed: 'it said what means nothing' }
  }
}
