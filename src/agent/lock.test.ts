import { mkdtemp, rm } from 'node:fs/promises'
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
