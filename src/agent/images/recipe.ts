/** What a recipe says of the image it makes: `images/NAME/recipe.toml`, beside the program `build`. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { SlipwayError } from '../../model/index.ts'
import { parseToml } from '../../toml/index.ts'
import { isMissing } from '../durable-file.ts'

export const imageName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/)
export const imageVersion = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$/)
/** What a machine of it needs at least. */
export const memoryMiBMin = z.int().min(32).max(1_048_576)

const schema = z.strictObject({
  name: imageName,
  version: imageVersion,
  os: z.enum(['linux', 'windows', 'macos']),
  arch: z.enum(['x86_64', 'aarch64']),
  firmware: z.enum(['bios', 'uefi']),
  /** Whom the front logs in as. */
  user: z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/),
  memoryMiBMin,
  /** Room that the build needs while it runs. */
  buildMiB: z.int().min(1).max(1_048_576),
})

const words = schema.omit({ buildMiB: true }).partial({ memoryMiBMin: true })

export type Recipe = z.infer<typeof schema>
/** `given` as the words of a manifest; `refuse` is told the first key that is wrong. */
export function imageWords(given: object, refuse: (key: string, detail: string) => never): ImageWords {
  const parsed = words.safeParse(given)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  return refuse(String(issue?.path[0]), issue?.message ?? '')
}

/** What a manifest takes from its recipe, or from whoever brings an image that has none. */
export type ImageWords = z.infer<typeof words>

/** The recipe `name` in `folder`. Throws `unknown_image`, naming those that are there, and `bad_config`. */
export async function readRecipe(folder: string, name: string): Promise<Recipe> {
  const known = await recipeNames(folder)
  if (!known.includes(name)) {
    throw new SlipwayError('unknown_image', { image: name.slice(0, 80), known: known.join(', ') || 'none' })
  }
  const file = join(folder, name, 'recipe.toml')
  const recipe = parseToml(file, await readFile(file, 'utf8'), schema)
  if (recipe.name !== name)
    throw new SlipwayError('bad_config', { file, detail: `name: it is not "${name}"` })
  return recipe
}

/** Folders in `folder` that hold a recipe. */
export async function recipeNames(folder: string): Promise<readonly string[]> {
  const names: string[] = []
  for (const entry of (await entriesOf(folder)).toSorted()) {
    if (!imageName.safeParse(entry).success) continue
    if ((await entriesOf(join(folder, entry))).includes('recipe.toml')) names.push(entry)
  }
  return names
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isMissing(error) || (error instanceof Error && 'code' in error && error.code === 'ENOTDIR')) return []
    throw error
  }
}
