/** Small private files that are either the old or the new, whole, whatever is killed when. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

const PRIVATE = 0o600
/** Of a file not yet in place; one that a kill left is overwritten by the next, and is nobody's. */
export const DRAFT_SUFFIX = '.draft'

/** Replaces `path`; once it resolves the content is on the disk, name included (fsync of file and folder, rename(2)). */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = path + DRAFT_SUFFIX
  await rm(draft, { force: true })
  await using file = await open(draft, 'wx', PRIVATE)
  await file.writeFile(text)
  await file.sync()
  await rename(draft, path)
  await syncFolder(dirname(path))
}

/** The file's text; undefined if there is none. Longer than `bytesMax` is cut off there. */
export async function readWhole(path: string, bytesMax: number): Promise<string | undefined> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  await using _ = file
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, 0)
  return buffer.toString('utf8', 0, bytesRead)
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}
