import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readRecipe, recipeNames } from './recipe.ts'

const shipped = join(import.meta.dirname, '../../../images')
let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'recipes-'))
})
afterAll(() => rm(dir, { recursive: true }))

it('the recipes that come with Slipway are read', async () => {
  expect(await recipeNames(shipped)).toEqual(['debian', 'debian-docker', 'tiny'])
  expect(await readRecipe(shipped, 'tiny')).toMatchObject({ name: 'tiny', os: 'linux', user: 'root' })
})

it.each(['..', '../images/tiny', 'tiny/', '', 'kit', 'Tiny', 'x'.repeat(5_000)])(
  'there is no recipe %j',
  async (name) => {
    await expect(readRecipe(shipped, name)).rejects.toMatchObject({
      code: 'unknown_image',
      args: { image: name.slice(0, 80), known: 'debian, debian-docker, tiny' },
    })
  },
)

it('a recipe says what it is, strictly', async () => {
  await mkdir(join(dir, 'odd'))
  await writeFile(join(dir, 'odd', 'recipe.toml'), 'name = "odd"\nversion = "1"\ncolour = "red"\n')
  await expect(readRecipe(dir, 'odd')).rejects.toMatchObject({
    code: 'bad_config',
    args: { detail: expect.stringMatching(/^line 3, colour: unknown key; /) },
  })
})

it('a recipe is named as its folder is', async () => {
  const { readFile } = await import('node:fs/promises')
  await mkdir(join(dir, 'other'))
  await writeFile(join(dir, 'other', 'recipe.toml'), await readFile(join(shipped, 'tiny', 'recipe.toml')))
  await expect(readRecipe(dir, 'other')).rejects.toMatchObject({ code: 'bad_config' })
})
