import { expect, test } from 'vitest'
import { accounts } from './accounts.ts'
import { type Check, type HostView, judge, warn } from './check.ts'
import { configuration } from './configuration.ts'
import { kernel } from './kernel.ts'
import { programs } from './programs.ts'
import { resources } from './resources.ts'

const checks = [...configuration, ...programs, ...accounts, ...resources, ...kernel]

const host = (files: Readonly<Record<string, string>> = {}): HostView => ({
  root: false,
  configuration: {
    problems: [],
    files: [],
    run: '/run/slipway',
    state: '/var/lib/slipway',
    images: '/var/lib/slipway/images',
    uids: { first: 200_000, last: 265_535 },
    emulated: [],
  },
  acceleration: async () => undefined,
  cloning: async () => undefined,
  read: async (path) => files[path],
  run: async () => undefined,
  stat: async () => undefined,
  freeMiB: async () => undefined,
})

const find = (name: string): Check => {
  const check = checks.find((one) => one.name === name)
  if (check === undefined) throw new Error(`no check ${name}`)
  return check
}

test('every check says why it matters and what helps, under a name of its own', () => {
  for (const { why, remedy } of checks) expect(Math.min(why.length, remedy.length)).toBeGreaterThan(10)
  expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length)
})

test('on a host with nothing every check has an answer', async () => {
  const judged = await judge(checks, host(), { hardened: false })
  expect(judged.filter(({ evidence }) => evidence === '' || evidence.startsWith('not seen'))).toEqual([])
})

test('only --hardened fails a hardening check for its warning', async () => {
  const check: Check = { name: 'x', why: '', remedy: '', hardening: true, look: async () => warn('seen') }
  const results = async (hardened: boolean) =>
    (await judge([check], host(), { hardened })).map((j) => j.result)
  expect([await results(false), await results(true)]).toEqual([['warn'], ['fail']])
})

test('a check that breaks fails alone', async () => {
  const broken: Check = { ...find('node'), look: () => Promise.reject(new Error('boo')) }
  const judged = await judge([broken, find('node')], host(), { hardened: false })
  expect(judged.map(({ result }) => result)).toEqual(['fail', 'ok'])
})

test('says how machines are made, and that it could be better', async () => {
  const told = (mode: string) =>
    find('cloning').look({ ...host(), cloning: async () => ({ mode, evidence: 'so it is' }) })
  expect(await told('shared-memory')).toEqual({ result: 'ok', evidence: 'shared-memory: so it is' })
  for (const mode of ['mapped-ram', 'cold']) expect(await told(mode)).toMatchObject({ result: 'warn' })
})

test.each([
  ['/etc/passwd', 'someone:x:200001:1::/:/bin/sh', 'fail'],
  ['/etc/subuid', 'someone:165536:65536', 'fail'],
  ['/etc/subuid', 'someone:100000:65536', 'ok'],
  ['/etc/subgid', 'someone:265535:1', 'fail'],
  ['/etc/subgid', 'someone:265536:65536', 'ok'],
])('%s with %s: the uid range is %s', async (file, line, result) => {
  expect(await find('uid range').look(host({ [file]: line }))).toMatchObject({ result })
})
