/**
 * Images that tests boot, made once per state of what goes into them, and kept for all checkouts of this machine. Made
 * outside the test files' own processes, which have no way to where packages come from.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { buildImage, ImageStore } from '../../src/agent/index.ts'
import { SlipwayError, sleep, systemClock } from '../../src/model/index.ts'

/** Where each machine's own user can read; a checkout may lie in root's home. */
const cache = join(process.env.XDG_CACHE_HOME ?? '/var/cache', 'slipway-test')
/** States of one image. */
const KEPT = 5
const BUILD_MS = 20 * 60_000

export interface Making {
  readonly name: string
  /** Of the store that is to hold it: `ownFolder`'s. */
  readonly folder: string
  /** The folder of the recipes. */
  readonly recipes: string
}

/** Folder of a store for the image `name` as `parts`, files and folders, make it. */
export async function ownFolder(name: string, parts: readonly string[]): Promise<string> {
  return join(cache, `${name}-${await stateOf(parts)}`)
}

/** Path of the disk, its manifest beside it; made if it is not there yet. */
export async function madeImage({ name, folder, recipes }: Making): Promise<string> {
  const store = new ImageStore(folder)
  const watch = {
    step: (step: string) => process.stderr.write(`image ${name}: ${step}\n`),
    output: () => undefined,
  }
  const signal = AbortSignal.timeout(BUILD_MS)
  while (!(await store.manifests()).some((manifest) => manifest.name === name)) {
    try {
      await forgetOldest(name)
      await buildImage({ name, recipes, store, watch, wall: Date.now, signal })
    } catch (error) {
      if (!(error instanceof SlipwayError && error.code === 'too_busy')) throw error
      // Another checkout's tests make the same image.
      await sleep(systemClock, 1_000, signal)
    }
  }
  const { digest } = await store.resolve(name)
  return (await store.find(digest)).disk
}

/** Of other states, by the last one's age. */
export async function forgetOldest(image: string): Promise<void> {
  const own = new RegExp(`^${image}-[0-9a-f]+$`)
  const names = (await readdir(cache).catch(() => [])).filter((name) => own.test(name))
  const found = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(cache, name))).mtimeMs })),
  )
  for (const { name } of found.toSorted((a, b) => b.at - a.at).slice(KEPT)) {
    await rm(join(cache, name), { recursive: true, force: true })
  }
}

/** Digest of every file that goes into the image. */
async function stateOf(parts: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const [index, part] of parts.entries())
    for (const file of await filesOf(part))
      hash.update(`${index}${file.slice(part.length)}\0`).update(await readFile(file))
  return hash.digest('hex').slice(0, 16)
}

async function filesOf(part: string): Promise<readonly string[]> {
  if ((await stat(part)).isFile()) return [part]
  const entries = await readdir(part, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted()
}
