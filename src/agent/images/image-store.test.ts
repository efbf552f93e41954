import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ImageDigest, SlipwayError } from '../../model/index.ts'
import { ImageStore } from './image-store.ts'
import { flatQcow2 } from './qcow2-sample.ts'
import type { Recipe } from './recipe.ts'
import { inScratch } from './scratch.ts'

const recipe: Recipe = {
  name: 'tiny',
  version: '1',
  os: 'linux',
  arch: 'x86_64',
  firmware: 'bios',
  user: 'root',
  memoryMiBMin: 128,
  buildMiB: 1,
}
const none: ReadonlyMap<ImageDigest, number> = new Map()
const { signal } = new AbortController()

let dir = ''
let store = new ImageStore('')
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'image-store-'))
  store = new ImageStore(join(dir, 'images'))
})
afterEach(() => rm(dir, { recursive: true }))

async function diskFile(mark = 0): Promise<string> {
  const file = join(dir, `disk-${mark}`)
  await writeFile(file, flatQcow2(mark))
  return file
}
const install = async (mark = 0, words: Partial<Recipe> = {}, builtAtMs = 0) =>
  store.install({ file: await diskFile(mark), recipe: { ...recipe, ...words }, builtAtMs, signal })
const files = async () => (await readdir(store.folder)).toSorted()
const refusal = async (work: Promise<unknown>) => {
  const error: unknown = await work.catch((error: unknown) => error)
  return error instanceof SlipwayError ? [error.code, error.args] : error
}

describe('install', () => {
  it('keeps a disk under its digest, which root alone can write and everybody read', async () => {
    const manifest = await install()
    const hex = manifest.digest.slice(7)
    expect(await files()).toEqual([`${hex}.json`, `${hex}.qcow2`])
    const { disk } = await store.find(manifest.digest)
    expect((await stat(disk)).mode & 0o777).toBe(0o444)
    expect(new Uint8Array(await readFile(disk))).toEqual(flatQcow2())
    expect(manifest).toMatchObject({ name: 'tiny', virtualBytes: 64 * 1024 ** 2, sizeBytes: 4 * 65_536 })
  })

  it('is the same when done twice', async () => {
    const first = await install(0, {}, 1_000)
    expect(await install(0, {}, 2_000)).toEqual(first)
    expect(await store.list()).toHaveLength(1)
  })

  it('refuses the same disk under another name', async () => {
    await install()
    expect(await refusal(install(0, { name: 'other' }))).toMatchObject(['conflict', { name: 'other' }])
  })

  it('leaves nothing of a disk that it refuses', async () => {
    const file = join(dir, 'raw')
    await writeFile(file, 'not a disk at all'.repeat(100))
    expect(await refusal(store.install({ file, recipe, builtAtMs: 0, signal }))).toMatchObject([
      'image_refused',
      { detail: 'it is no qcow2 file' },
    ])
    expect(await files()).toEqual([])
  })

  it('follows no link, and takes no folder and no empty file', async () => {
    await diskFile()
    await symlink(join(dir, 'disk-0'), join(dir, 'link'))
    await writeFile(join(dir, 'empty'), '')
    for (const name of ['link', '.', 'empty', 'missing']) {
      const file = join(dir, name)
      expect(await refusal(store.install({ file, recipe, builtAtMs: 0, signal }))).toMatchObject([
        'image_refused',
        {},
      ])
    }
  })

  it('stops when it is told to, and leaves nothing', async () => {
    const stopped = AbortSignal.abort(new Error('stop'))
    const work = store.install({ file: await diskFile(), recipe, builtAtMs: 0, signal: stopped })
    await expect(work).rejects.toThrow('stop')
    expect(await files()).toEqual([])
  })

  it('waits for nobody: a second one at work is refused', async () => {
    await inScratch(store.folder, async () => {
      expect(await refusal(install())).toMatchObject(['too_busy', { limit: 1 }])
    })
    await install()
  })
})

describe('resolve', () => {
  it('gives the newest version of a name, and of one version the last built', async () => {
    await install(1, { version: '9' })
    await install(2, { version: '10' }, 1_000)
    const newest = await install(3, { version: '10' }, 2_000)
    await install(4, { name: 'other', version: '11' })
    expect(await store.resolve('tiny')).toEqual(newest)
    expect((await store.list()).map(({ name, version }) => `${name} ${version}`)).toEqual([
      'other 11',
      'tiny 10',
      'tiny 10',
      'tiny 9',
    ])
  })

  it('takes a digest, and says what there is when it knows nothing of the sort', async () => {
    const { digest } = await install()
    expect((await store.resolve(digest)).digest).toBe(digest)
    expect((await store.resolve(digest.slice(0, 19))).digest).toBe(digest)
    for (const name of ['debian', '../tiny', `sha256:${'0'.repeat(64)}`, 'sha256:', '']) {
      expect(await refusal(store.resolve(name))).toEqual(['unknown_image', { image: name, known: 'tiny' }])
      expect(await refusal(store.find(name))).toEqual(['unknown_image', { image: name, known: 'tiny' }])
    }
  })

  it('knows no image in a store that was never made', async () => {
    expect(await store.list()).toEqual([])
    expect(await refusal(store.resolve('tiny'))).toEqual(['unknown_image', { image: 'tiny', known: 'none' }])
  })
})

describe('remove', () => {
  const one = { inUse: none, all: false }

  it('removes an image that nothing runs from', async () => {
    await install()
    await store.remove('tiny', one)
    expect(await files()).toEqual([])
  })

  it('refuses while machines run from it', async () => {
    const { digest } = await install()
    expect(await refusal(store.remove('tiny', { inUse: new Map([[digest, 2]]), all: true }))).toEqual([
      'image_in_use',
      { image: digest, count: 2 },
    ])
    expect(await store.list()).toHaveLength(1)
  })

  it('asks which, where a name has several; a digest is one, and all are all', async () => {
    const older = await install(1)
    const newer = await install(2, {}, 1_000)
    expect(await refusal(store.remove('tiny', one))).toEqual([
      'ambiguous',
      { name: 'tiny', candidates: `${newer.digest}, ${older.digest}` },
    ])
    expect(await store.remove(older.digest, one)).toEqual([older])
    await install(1)
    expect(await store.remove('tiny', { ...one, all: true })).toHaveLength(2)
    expect(await files()).toEqual([])
  })

  it('removes none of several while machines run from one', async () => {
    const older = await install(1)
    await install(2, {}, 1_000)
    const inUse = new Map([[older.digest, 1]])
    expect(await refusal(store.remove('tiny', { inUse, all: true }))).toMatchObject(['image_in_use', {}])
    expect(await store.list()).toHaveLength(2)
  })
})

describe('prune', () => {
  it('keeps the newest of each name and what machines run from, and says what it removed', async () => {
    const oldest = await install(1)
    const old = await install(2, {}, 1_000)
    await install(3, {}, 2_000)
    await install(4, { name: 'other' })
    await writeFile(join(store.folder, 'importing.disk'), 'half of an image')
    const options = { keep: 1, inUse: new Map([[old.digest, 1]]) }
    expect(await store.prune({ ...options, dryRun: true })).toEqual([oldest])
    expect(await store.list()).toHaveLength(4)
    expect(await store.prune({ ...options, dryRun: false })).toEqual([oldest])
    expect(await store.list()).toHaveLength(3)
    expect((await files()).filter((name) => name.startsWith('importing'))).toEqual([])
  })
})

describe('what a kill leaves', () => {
  it('is removed by the next look: folders of builds, and disks without a manifest', async () => {
    await install()
    await mkdir(join(store.folder, 'making-abc', 'work'), { recursive: true })
    await writeFile(join(store.folder, 'making-abc', 'work', 'file'), '')
    await writeFile(join(store.folder, `${'0'.repeat(64)}.qcow2`), '')
    expect(await store.list()).toHaveLength(1)
    expect(await files()).toHaveLength(2)
  })

  it('is kept for a day where the next import may go on with it', async () => {
    await mkdir(store.folder)
    for (const [name, ageMs] of [
      ['importing.disk', 0],
      ['importing.json', 25 * 3_600_000],
    ] as const) {
      await writeFile(join(store.folder, name), '')
      const at = (Date.now() - ageMs) / 1000
      await utimes(join(store.folder, name), at, at)
    }
    await store.list()
    expect(await files()).toEqual(['importing.disk'])
  })

  it('is left alone while an image is in the making', async () => {
    await inScratch(store.folder, async (scratch) => {
      await writeFile(join(scratch, 'file'), '')
      await store.list()
      expect(await readdir(scratch)).toEqual(['file'])
    })
    expect(await files()).toEqual([])
  })
})

describe('a manifest that is not to be trusted', () => {
  it.each([
    ['is no JSON', 'nonsense'],
    ['has an unknown key', undefined],
  ])('%s: the image is not there', async (_, text) => {
    const { digest } = await install()
    const path = join(store.folder, `${digest.slice(7)}.json`)
    const spoilt = text ?? JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), extra: 1 })
    await chmod(path, 0o644)
    await writeFile(path, spoilt)
    expect(await store.list()).toEqual([])
    expect(await refusal(store.find(digest))).toMatchObject(['unknown_image', {}])
  })

  it('names a disk of another size: the image is not there', async () => {
    const { digest } = await install()
    const path = join(store.folder, `${digest.slice(7)}.qcow2`)
    await rm(path)
    await writeFile(path, 'short')
    expect(await store.list()).toEqual([])
  })
})
