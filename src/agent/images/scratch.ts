/**
 * Where an image is in the making: one folder at a time in the store, under a lock. Whoever holds the lock knows that every other such folder was left by a
 * kill, and removes it.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { takeLock } from '../../files/index.ts'
import { SlipwayError } from '../../model/index.ts'
import { isMissing } from '../durable-file.ts'
import { isAbandoned, ofImport } from './partial.ts'

const LOCK = 'making'
const PREFIX = 'making-'

/** Runs `work` in a new folder of `store`, which goes whatever becomes of it. Throws `too_busy` if another is at work. */
export async function inScratch<T>(store: string, work: (scratch: string) => Promise<T>): Promise<T> {
  await mkdir(store, { recursive: true, mode: 0o711 })
  const lock = takeLock(join(store, LOCK))
  if (!lock.taken) throw new SlipwayError('too_busy', { what: `the image store ${store}`, limit: 1 })
  try {
    await sweep(store, leftovers)
    const scratch = await mkdtemp(join(store, PREFIX))
    try {
      return await work(scratch)
    } finally {
      await discard(scratch)
    }
  } finally {
    lock.release()
  }
}

/** Removes what kills have left in the store, unless an image is in the making there. */
export async function removeLeftovers(store: string): Promise<void> {
  await removeUnlessBusy(store, leftovers)
}

/** Removes what an import has copied so far, unless it is at work. */
export async function discardImport(store: string): Promise<void> {
  await removeUnlessBusy(store, async () => (await entriesOf(store)).filter(ofImport))
}

/** Names in a store. */
type Find = (store: string) => Promise<readonly string[]>

/** Where there is nothing to remove, nobody is kept from the lock. */
async function removeUnlessBusy(store: string, find: Find): Promise<void> {
  if ((await find(store)).length === 0) return
  const lock = takeLock(join(store, LOCK))
  if (!lock.taken) return
  try {
    await sweep(store, find)
  } finally {
    lock.release()
  }
}

/** For who holds the lock: what was found before may be another's by now. */
async function sweep(store: string, find: Find): Promise<void> {
  for (const name of await find(store)) await discard(join(store, name))
}

/**
 * Folders of builds, and disks without a manifest: a manifest is written last and removed first. What an import left is
 * kept for a day, for the next one to go on with.
 */
async function leftovers(store: string): Promise<readonly string[]> {
  const names = await entriesOf(store)
  const there = new Set(names)
  const left: string[] = []
  for (const name of names) {
    const disk = /^([0-9a-f]{64})[.]qcow2$/.exec(name)
    const isLeft = name.startsWith(PREFIX) || (disk !== null && !there.has(`${disk[1]}.json`))
    if (isLeft || (ofImport(name) && (await isAbandoned(join(store, name), Date.now())))) left.push(name)
  }
  return left
}

async function entriesOf(store: string): Promise<readonly string[]> {
  try {
    return await readdir(store)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** A build's processes may still be dying in it. */
const discard = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
