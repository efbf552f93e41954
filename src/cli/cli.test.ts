import { expect, test } from 'vitest'
import { fakeCoordinator, slipway } from '../../test/cli/fake-coordinator.ts'
import { declarations } from './declarations.ts'

const NOWHERE = { SLIPWAY_SOCKET: '/nonexistent/admin.sock' }
const ULID = '01j8zk5v7x9q2m4n6p8r0s1t3v'
const spec = { flavor: 'tiny', image: `sha256:${'0'.repeat(64)}`, vcpus: 1, memoryMiB: 256, diskGiB: 1 }
const machine = {
  machine: `m-${ULID}`,
  host: 'local',
  state: 'leased',
  spec,
  createdAtMs: 0,
  timeline: [],
  lease: 'job-1',
}
const other = { ...machine, machine: `m-01j8zzzz7x9q2m4n6p8r0s1t3v` }

test('without arguments help is printed, and all is well', async () => {
  const { code, stdout, stderr } = await slipway([])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('Usage: slipway')
})

test('help lists every command that is not hidden', async () => {
  const { stdout } = await slipway(['--help'])
  const names = declarations.filter(({ hidden }) => !hidden).map(({ name }) => name.split(' ')[0])
  for (const name of names) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
})

test.each(declarations.map(({ name }) => [name]))('help of %s has its usage', async (name) => {
  const { code, stdout } = await slipway([...name.split(' '), '--help'])
  expect([code, stdout]).toEqual([0, expect.stringContaining(`Usage: slipway ${name}`)])
})

test('a mistyped command is refused with the one that was meant', async () => {
  const { code, stderr } = await slipway(['isnpect'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^error: .*Did you mean inspect\?.*\(bad_request\)\n {2}next: /)
})

test('an option in a guest’s command is the guest’s', async () => {
  const { code, stderr } = await slipway(['rm', 'm-1', '--', '--help'], NOWHERE)
  expect([code, stderr]).toEqual([2, expect.stringContaining('takes no command after --')])
})

test.each([
  ['ls', 5],
  ['rm m-1', 5],
  ['exec m-1 -- true', 125],
  ['run', 2],
  ['run debian', 125],
])('slipway %s where nothing answers ends with %i', async (line, code) => {
  expect(await slipway(line.split(' '), NOWHERE)).toMatchObject({ code })
})

test('with --json a failure is one line of JSON on stderr', async () => {
  const { stdout, stderr } = await slipway(['ls', '--json'], NOWHERE)
  expect(stdout).toBe('')
  expect(JSON.parse(stderr)).toEqual({
    code: 'unreachable',
    args: { socket: NOWHERE.SLIPWAY_SOCKET },
    message: 'nothing answers on /nonexistent/admin.sock',
    next: 'start Slipway with `slipway up`',
  })
})

test('control characters in an error do not reach the terminal', async () => {
  const { stderr } = await slipway(['explain', 'x\u001b[31m'], NOWHERE)
  expect(stderr).not.toContain('\u001b')
})

const lists = {
  'GET /v1/machines': { body: { machines: [machine, other] } },
  'GET /v1/leases': { body: { leases: [] } },
  'GET /v1/hosts': { body: { hosts: [] } },
}

test('ls shows machines as columns, with the lease of each', async () => {
  await using server = await fakeCoordinator(lists)
  const { code, stdout } = await slipway(['ls'], { SLIPWAY_SOCKET: server.socket })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^MACHINE +STATE +FLAVOR +HOST +AGE +LEASE\n/)
  expect(stdout).toMatch(new RegExp(`^m-${ULID} +leased +tiny +local +.* job-1$`, 'm'))
})

test('the start of a machine’s name is enough, with or without its m-', async () => {
  const removed = `/v1/machines/m-${ULID}`
  await using server = await fakeCoordinator({ ...lists, [`DELETE ${removed}`]: { body: machine } })
  for (const name of ['m-01j8zk', '01j8zk']) {
    expect(await slipway(['rm', name], { SLIPWAY_SOCKET: server.socket })).toMatchObject({ code: 0 })
  }
  expect(server.asked.filter((line) => line.startsWith(`DELETE ${removed}`))).toHaveLength(2)
})

test('the start of two names is refused with both', async () => {
  await using server = await fakeCoordinator(lists)
  const { code, stderr } = await slipway(['rm', 'm-01j8z'], { SLIPWAY_SOCKET: server.socket })
  expect(code).toBe(1)
  expect(stderr).toContain(`m-${ULID}, m-01j8zzzz7x9q2m4n6p8r0s1t3v`)
})

test('one wrong name among several removes nothing', async () => {
  await using server = await fakeCoordinator(lists)
  expect(await slipway(['rm', 'm-01j8zk', 'm-xx'], { SLIPWAY_SOCKET: server.socket })).toMatchObject({
    code: 4,
  })
  expect(server.asked.filter((line) => line.startsWith('DELETE'))).toEqual([])
})

test('a lease that waits is explained with the reason in words', async () => {
  const lease = {
    id: `l-${ULID}`,
    name: 'job-1',
    runner: 'shop',
    trustDomain: 'default',
    flavor: 'debian',
    state: 'waiting',
    ttlMs: 1000,
    askedAtMs: 0,
    waiting: {
      position: 2,
      making: 0,
      reason: { code: 'no_capacity', args: { flavor: 'debian', detail: 'local: memory 1 of 4 GiB' } },
    },
  }
  await using server = await fakeCoordinator({ 'GET /v1/leases/job-1/explain': { body: lease } })
  const { stdout } = await slipway(['explain', 'job-1'], { SLIPWAY_SOCKET: server.socket })
  expect(stdout).toContain('waits at position 2')
  expect(stdout).toContain('no host has room for flavor debian: local: memory 1 of 4 GiB (no_capacity)')
})
