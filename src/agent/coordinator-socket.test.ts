import { chmod, chown, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { trustSocket } from './coordinator-socket.ts'

const root = process.getuid?.() === 0
const NOBODY = 65_534
let dir = ''
let path = ''
const servers: Server[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'agent-socket-'))
  path = join(dir, 'agent.sock')
})
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await rm(dir, { recursive: true })
})
const listen = (at: string): Promise<void> =>
  new Promise((resolve) => {
    servers.push(createServer().listen(at, resolve))
  })
const refused = (detail: RegExp) =>
  expect.objectContaining({ code: 'untrusted_socket', message: expect.stringMatching(detail) })

it('trusts a socket of its own user, in a folder that nobody else may change', async () => {
  await listen(path)
  trustSocket(path).confirm()
  await chmod(dir, 0o1777)
  trustSocket(path).confirm()
})

it('says that nobody is there when nobody is', () => {
  expect(() => trustSocket(path)).toThrow(expect.objectContaining({ code: 'unreachable' }))
  expect(() => trustSocket(join(dir, 'gone', 'agent.sock'))).toThrow(
    expect.objectContaining({ code: 'unreachable' }),
  )
})

it.skipIf(!root)('refuses a socket that an operator made while the coordinator was away', async () => {
  await chmod(dir, 0o1777)
  await listen(path)
  await chown(path, NOBODY, NOBODY)
  expect(() => trustSocket(path)).toThrow(refused(/it belongs to user 65534/))
})

it.skipIf(!root)('refuses a folder of somebody else', async () => {
  await listen(path)
  await chown(dir, NOBODY, NOBODY)
  expect(() => trustSocket(path)).toThrow(refused(/its folder belongs to user 65534/))
})

it('refuses a folder in which others could exchange the file', async () => {
  await listen(path)
  await chmod(dir, 0o770)
  expect(() => trustSocket(path)).toThrow(refused(/not sticky/))
})

it('refuses what is no socket, and what a link leads to', async () => {
  await writeFile(path, '')
  expect(() => trustSocket(path)).toThrow(refused(/no socket/))
  await rm(path)
  await listen(join(dir, 'other.sock'))
  await symlink(join(dir, 'other.sock'), path)
  expect(() => trustSocket(path)).toThrow(refused(/no socket/))
})

it('notices that the file was exchanged between the look and the connection', async () => {
  await listen(path)
  const socket = trustSocket(path)
  await listen(join(dir, 'other.sock'))
  await rename(join(dir, 'other.sock'), path)
  expect(() => socket.confirm()).toThrow(refused(/exchanged/))
})
