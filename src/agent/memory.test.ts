import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseId } from '../model/index.ts'
import { NO_ALLEGIANCE } from './allegiance.ts'
import { ALLEGIANCE_FILE, fileMemory } from './memory.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'agent-memory-'))
})
afterEach(() => rm(dir, { recursive: true }))

const sworn = { database: parseId('DatabaseId', `d-${'0'.repeat(26)}`), stamp: { epoch: 2, generation: 9 } }

it('obeys nobody yet where there is no file', async () => {
  expect(await fileMemory(dir).load()).toEqual(NO_ALLEGIANCE)
})

it('remembers the database and the stamp, whatever a kill left beside them', async () => {
  await fileMemory(dir).save(sworn)
  await writeFile(join(dir, `${ALLEGIANCE_FILE}.draft`), '{"data')
  expect(await fileMemory(dir).load()).toEqual(sworn)
  await fileMemory(dir).save({ ...sworn, stamp: { epoch: 3, generation: 0 } })
  expect(await fileMemory(dir).load()).toEqual({ ...sworn, stamp: { epoch: 3, generation: 0 } })
  expect(await readdir(dir)).toEqual([ALLEGIANCE_FILE])
})

it('refuses to guess when the file is not understood', async () => {
  for (const text of ['', '{}', '{"database":"x","stamp":{"epoch":1,"generation":1}}', 'not json']) {
    await writeFile(join(dir, ALLEGIANCE_FILE), text)
    await expect(fileMemory(dir).load()).rejects.toMatchObject({ code: 'bad_config' })
  }
})
