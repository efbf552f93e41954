/**
 * The tiny image that tests boot, made once per state of `images/` before the integration tests start, by their
 * runner: a test file's own process has no way to where packages come from.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { buildImage, ImageStore } from '../../src/agent/index.ts'
import { SlipwayError, sleep, systemClock } from '../../src/model/index.ts'

const top = join(import.meta.dirname, '../..')
const recipes = join(top, 'images')
/** Of all checkouts of this machine, where each machine's own user can read; a checkout may lie in root's home. */
const cache = join(process.env.XDG_CACHE_HOME ?? '/var/cache', 'slipway-test')
const KEPT = 5

/** vitest's global set-up. A failure is the failure of those tests that ask for the image. */
export async function setup(project: TestProject): Promise<void> {
  try {
    project.provide('tinyDisk', await tinyDisk(await ownFolder()))
  } catch (error) {
    process.stderr.write(`no tiny image for the tests: ${error instanceof Error ? error.message : error}\n`)
  }
}

/** Folder of a store that holds the tiny image, made if it is not there yet. */
export async function tinyFolder(): Promise<string> {
  const folder = await ownFolder()
  await tinyDisk(folder)
  return folder
}

const ownFolder = async (): Promise<string> => join(cache, `tiny-${await stateOf()}`)

/** Path of the disk in a store of its own, its manifest beside it. */
async function tinyDisk(folder: string): Promise<string> {
  const store = new ImageStore(folder)
  const watch = {
    step: (name: string) => process.stderr.write(`image tiny: ${name}\n`),
    output: () => undefined,
  }
  const signal = AbortSignal.timeout(BUILD_MS)
  while (!(await store.manifests()).some(({ name }) => name === 'tiny')) {
    try {
      await forgetOldest()
      await buildImage({ name: 'tiny', recipes, store, watch, wall: Date.now, signal })
    } catch (error) {
      if (!(error instanceof SlipwayError && error.code === 'too_busy')) throw error
      // Another checkout's tests make the same image.
      await sleep(systemClock, 1_000, signal)
    }
  }
  const { digest } = await store.resolve('tiny')
  return (await store.find(digest)).disk
}

const BUILD_MS = 5 * 60_000

/** Of other states of `images/`, by the last one's age. */
async function forgetOldest(): Promise<void> {
  const names = (await readdir(cache).catch(() => [])).filter((name) => /^tiny-[0-9a-f]+$/.test(name))
  const found = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(cache, name))).mtimeMs })),
  )
  for (const { name } of found.toSorted((a, b) => b.at - a.at).slice(KEPT)) {
    await rm(join(cache, name), { recursive: true, force: true })
  }
}

/** Digest of every file that goes into the image. */
async function stateOf(): Promise<string> {
  const hash = createHash('sha256')
  for (const part of ['apt', 'disk', 'kit', 'tiny']) {
    const entries = await readdir(join(recipes, part), { recursive: true, withFileTypes: true })
    const files = entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
    for (const file of files.toSorted())
      hash.update(`${file.slice(recipes.length)}\0`).update(await readFile(file))
  }
  return hash.digest('hex').slice(0, 16)
}
