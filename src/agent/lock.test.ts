import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseId } from '../model/index.ts'
import { takeAgentLock } from './lock.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'agent-lock-'))
})
afterEach(() => rm(dir, { recursive: true }))

const at = (host: string, run: string) => ({
  host: parseId('HostId', host),
  runDir: join(dir, run),
  hostsDir: join(dir, 'hosts'),
})
const running = expect.objectContaining({
  code: 'agent_running',
  args: expect.objectContaining({ pid: `${process.pid}` }),
})

it('lets one agent have a host name and a run directory, and another have others', async () => {
  const release = await takeAgentLock(at('one', 'a'))
  await expect(takeAgentLock(at('one', 'b'))).rejects.toEqual(running)
  await expect(takeAgentLock(at('two', 'a'))).rejects.toEqual(running)
  const other = await takeAgentLock(at('two', 'b'))
  other()
  release()
  const again = await takeAgentLock(at('one', 'a'))
  again()
})

it('a refusal takes nothing: the host name is free again where only the directory was taken', async () => {
  const release = await takeAgentLock(at('one', 'a'))
  await expect(takeAgentLock(at('two', 'a'))).rejects.toEqual(running)
  const other = await takeAgentLock(at('two', 'b'))
  other()
  release()
})

it('leaves no file behind when it is given back', async () => {
  const release = await takeAgentLock(at('one', 'a'))
  release()
  expect([await readdir(join(dir, 'hosts')), await readdir(join(dir, 'a'))]).toEqual([[], []])
})

it('holds while agents come and go, whatever moment each of them chooses', async () => {
  let holders = 0
  let most = 0
  const agent = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) {
      const release = await takeAgentLock(at('one', 'a')).catch(() => undefined)
      if (release === undefined) continue
      most = Math.max(most, ++holders)
      await Promise.resolve()
      holders--
      release()
    }
  }
  await Promise.all([agent(), agent(), agent()])
  expect([most, holders]).toEqual([1, 0])
})
