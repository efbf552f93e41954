/** The tiny image that tests boot, made by their runner before the integration tests start. */
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { madeImage, ownFolder } from './made-image.ts'

const recipes = join(import.meta.dirname, '../../images')
const name = 'tiny'

/** vitest's global set-up. A failure is the failure of those tests that ask for the image. */
export async function setup(project: TestProject): Promise<void> {
  try {
    project.provide('tinyDisk', await madeImage({ name, recipes, folder: await folderOf() }))
  } catch (error) {
    process.stderr.write(`no tiny image for the tests: ${error instanceof Error ? error.message : error}\n`)
  }
}

/** Folder of a store that holds the tiny image, made if it is not there yet. */
export async function tinyFolder(): Promise<string> {
  const folder = await folderOf()
  await madeImage({ name, recipes, folder })
  return folder
}

const folderOf = (): Promise<string> =>
  ownFolder(
    name,
    ['apt', 'disk', 'kit', 'tiny'].map((part) => join(recipes, part)),
  )
