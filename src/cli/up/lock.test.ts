import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockRunDirectory } from './lock.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'up-lock-'))
})
afterEach(() => rm(dir, { recursive: true }))

test('a link that somebody planted in the run directory is not followed', async () => {
  const [run, elsewhere] = [join(dir, 'run'), join(dir, 'elsewhere')]
  await mkdir(run)
  await mkdir(elsewhere)
  await symlink(elsewhere, join(run, 'up'))
  await expect(lockRunDirectory(run)).rejects.toMatchObject({ code: 'host_setup' })
  expect(await readdir(elsewhere)).toEqual([])
})

test('a run directory has one `up`', async () => {
  await lockRunDirectory(dir)
  await expect(lockRunDirectory(dir)).rejects.toMatchObject({
    code: 'coordinator_running',
    args: { pid: `${process.pid}`, dir },
  })
})
