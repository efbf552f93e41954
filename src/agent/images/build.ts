/** `images/NAME/build`, from its recipe to an image in the store; nothing but that is left. */
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type ImageManifest, SlipwayError, within } from '../../model/index.ts'
import type { ImageStore } from './image-store.ts'
import { readRecipe } from './recipe.ts'
import { type BuildWatcher, runRecipe } from './recipe-run.ts'
import { inScratch } from './scratch.ts'
import { requireRoom, takeIn } from './take-in.ts'

/** A build takes minutes; one that waits for a package source that never answers is ended. */
const BUILD_DEADLINE_MS = 20 * 60_000

export interface Build {
  readonly name: string
  /** The folder of the recipes. */
  readonly recipes: string
  readonly store: ImageStore
  readonly watch: BuildWatcher
  /** The wall clock, for the manifest. */
  readonly wall: () => number
  readonly signal: AbortSignal
  readonly deadlineMs?: number
}

/**
 * Builds the image and takes it into the store. Throws `unknown_image` for a recipe that is not there, `not_root`,
 * `too_busy`, `disk_full`, `build_failed`, `image_refused`, `timed_out`, or the signal's reason.
 */
export async function buildImage(options: Build): Promise<ImageManifest> {
  const { name, recipes, store, watch, wall, signal, deadlineMs = BUILD_DEADLINE_MS } = options
  const recipe = await readRecipe(recipes, name)
  if (process.getuid?.() !== 0) throw new SlipwayError('not_root', { what: `building image ${name}` })
  return inScratch(store.folder, (scratch) =>
    within({ step: `building image ${name}`, deadlineMs, signal }, async (signal) => {
      await requireRoom(store.folder, recipe.buildMiB)
      const [out, work] = [join(scratch, 'out'), join(scratch, 'work')]
      // Package tools drop their rights to read: they must reach the folder they work in.
      await chmod(scratch, 0o711)
      for (const folder of [out, work]) await mkdir(folder, { mode: 0o755 })
      await runRecipe({ image: name, recipe: join(recipes, name), out, work, watch, signal })
      watch.step('taking the disk into the store')
      const file = join(out, 'disk.qcow2')
      return takeIn({ store: store.folder, scratch, file, recipe, builtAtMs: wall(), signal })
    }),
  )
}
