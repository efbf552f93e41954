import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { takeLock } from './lock.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lock-'))
})
afterEach(() => rm(dir, { recursive: true }))

const taken = () => {
  const lock = takeLock(join(dir, 'a'))
  if (!lock.taken) throw new Error(`it is held by ${lock.holder}`)
  return lock
}
const refused = (holder: string) => ({ taken: false, holder })

it('is held once, says by whom, and leaves nothing when it is given back', async () => {
  const lock = taken()
  expect(takeLock(join(dir, 'a'))).toEqual(refused(`${process.pid}`))
  lock.release()
  lock.release()
  expect(await readdir(dir)).toEqual([])
  taken().release()
})

it('is nobody else’s to read: whoever may read its file could hold it', async () => {
  const umask = process.umask(0)
  const lock = taken()
  process.umask(umask)
  for (const name of await readdir(dir)) {
    expect([name, ((await stat(join(dir, name))).mode & 0o777).toString(8)]).toEqual([name, '600'])
  }
  lock.release()
})

it('ends with a process that ends without giving it back', () => {
  const script = `import { takeLock } from ${JSON.stringify(import.meta.resolve('./lock.ts'))}
    console.log(takeLock(${JSON.stringify(join(dir, 'a'))}).taken)
    process.kill(process.pid, 'SIGKILL')`
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  expect([stdout.trim(), signal]).toEqual(['true', 'SIGKILL'])
  taken().release()
})

it('does not take a broken file for one that is held, and says what to do', async () => {
  await writeFile(
    join(dir, 'a.lock'),
    'this is no database file at all, and longer than a header '.repeat(20),
  )
  expect(() => takeLock(join(dir, 'a'))).toThrow(
    expect.objectContaining({
      code: 'host_setup',
      message: expect.stringMatching(/a\.lock.*not a database.*remove the file/),
    }),
  )
})
