/** Images that Packer makes with the recipes of `packer/linux`, for the test that runs jobs in them. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImageStore } from '../../src/agent/index.ts'
import { forgetOldest, ownFolder } from '../runner/made-image.ts'
import { program } from '../up/instance.ts'

export const MAKE_PACKER_IMAGES = 'sh bin/node test/packer/make-images.ts'
/** Recipes, and what their images are called. */
export const KINDS = ['debian', 'cloud-image'] as const
export type Kind = (typeof KINDS)[number]

const top = join(import.meta.dirname, '../..')
const PARTS = ['images/apt', 'images/debian', 'images/disk', 'images/kit', 'packer/linux']

const folderOf = (): Promise<string> =>
  ownFolder(
    'packer',
    PARTS.map((part) => join(top, part)),
  )

/** Folder of the store that holds it; undefined where it was not made, or not since a change of its parts. */
export async function packerImage(kind: Kind): Promise<string | undefined> {
  const folder = await folderOf()
  const manifests = await new ImageStore(folder).manifests()
  return manifests.some(({ name }) => name === kind) ? folder : undefined
}

/** Makes what is not there yet as docs/images.md has it, where there is a mirror of packages; minutes each. */
export async function makePackerImages(): Promise<string> {
  const folder = await folderOf()
  const work = await mkdtemp(join(tmpdir(), 'packer-images-'))
  const run = (path: string, ...args: readonly string[]): Buffer =>
    execFileSync(path, args, { cwd: work, stdio: ['ignore', 'inherit', 'inherit'] })
  try {
    await writeFile(join(work, 'agent.toml'), `images = ${JSON.stringify(folder)}\n`)
    for (const kind of KINDS) {
      if ((await packerImage(kind)) !== undefined) continue
      await forgetOldest('packer')
      if (!existsSync(join(work, 'base.qcow2'))) run(join(top, 'packer/linux/base'), 'base.qcow2')
      const out = `${kind}.qcow2`
      run(join(top, 'packer/linux/build'), kind, 'base.qcow2', out, '-var', 'accelerator=tcg')
      run(process.execPath, program, '--config', work, 'image', 'import', out, '--name', kind)
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return folder
}
