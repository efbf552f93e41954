import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ensureOwnFolder } from './own-folder.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'own-folder-'))
})
afterEach(() => rm(dir, { recursive: true }))

it('makes a folder with its parents, and closes one of ours that stood open to readers', async () => {
  const path = join(dir, 'a', 'b')
  await ensureOwnFolder(path)
  expect((await stat(path)).mode & 0o777).toBe(0o700)
  await chmod(path, 0o755)
  await ensureOwnFolder(path)
  expect((await stat(path)).mode & 0o777).toBe(0o700)
})

it('refuses what somebody else put in its place: a link, a file, a folder that others write to', async () => {
  const planted = join(dir, 'planted')
  await mkdir(join(dir, 'elsewhere'))
  await symlink(join(dir, 'elsewhere'), planted)
  await expect(ensureOwnFolder(planted)).rejects.toMatchObject({
    code: 'host_setup',
    args: { object: planted },
  })
  await writeFile(join(dir, 'file'), '')
  await expect(ensureOwnFolder(join(dir, 'file'))).rejects.toMatchObject({ code: 'host_setup' })
  await mkdir(join(dir, 'open'))
  await chmod(join(dir, 'open'), 0o777)
  await expect(ensureOwnFolder(join(dir, 'open'))).rejects.toThrow('others may write to it')
})
