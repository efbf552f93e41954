/** `slipway run` against a coordinator that answers from a table and a guest that plays its commands. */
import { expect, test } from 'vitest'
import { type Answers, fakeCoordinator, slipway } from '../../../test/cli/fake-coordinator.ts'
import { fakeGuest, type Play } from '../../../test/cli/fake-guest.ts'

const ULID = '01j8zk5v7x9q2m4n6p8r0s1t3v'
const view = {
  id: `l-${ULID}`,
  name: 'run-1',
  runner: 'operator',
  trustDomain: 'default',
  flavor: 'tiny',
  ttlMs: 20_000,
  askedAtMs: 0,
}
const granted = {
  ...view,
  state: 'granted',
  machine: `m-${ULID}`,
  host: 'local',
  timeline: [{ step: 'ready', atMs: 12.4 }],
}
const waiting = { ...view, state: 'waiting', waiting: { position: 1, making: 1 } }
const failure = { code: 'machine_lost', args: { machine: `m-${ULID}`, detail: 'crashed' } }

/** The lease's name is random: answers are found by what it is asked for. */
const answers = (lease: unknown, access?: unknown): Answers => ({
  'GET /v1/health': { body: { hosts: 1 } },
  'POST /v1/leases': { body: lease },
  'GET /v1/leases/*?waitMs=1000&state=waiting': { body: granted },
  'GET /v1/leases/*/access': { body: access },
  'DELETE /v1/leases/*': { body: { ...view, state: 'ended', end: 'released' } },
})

const endsWith =
  (code: number): Play =>
  (command, channel) => {
    channel.write(`${command}\n`)
    channel.stderr.write('grumble\n')
    channel.exit(code)
    channel.end()
  }

test('the guest’s outputs and exit code are passed on, and its lease is released', async () => {
  using guest = await fakeGuest(endsWith(7))
  await using server = await fakeCoordinator(answers(waiting, guest.access))
  const argv = ['run', 'tiny', '-q', '--', 'sh', '-c', "it's; exit 7"]
  const outcome = await slipway(argv, { SLIPWAY_SOCKET: server.socket })
  expect(outcome).toEqual({ code: 7, stdout: "'sh' '-c' 'it'\\''s; exit 7'\n", stderr: 'grumble\n' })
  expect(server.asked.map((line) => line.split(' ')[0])).toEqual([
    'GET',
    'POST',
    'GET',
    'GET',
    'GET',
    'DELETE',
  ])
})

test('in a pipe progress is plain timed lines, with the steps of the machine', async () => {
  using guest = await fakeGuest(endsWith(0))
  await using server = await fakeCoordinator(answers(waiting, guest.access))
  const { stderr } = await slipway(['run', 'tiny', '--', 'true'], { SLIPWAY_SOCKET: server.socket })
  expect(stderr).toMatch(/^\[ +\d+\.\d{3}s\] lease run-[0-9a-f]{12} asks for a tiny machine$/m)
  expect(stderr).toMatch(/waiting for a machine in the making$/m)
  expect(stderr).toMatch(/ {2}ready at 12 ms$/m)
  expect(stderr).toMatch(/lease run-[0-9a-f]{12} is released$/m)
})

test('a lease that fails ends with 125 and says why', async () => {
  await using server = await fakeCoordinator(answers({ ...view, state: 'ended', end: 'failed', failure }))
  const { code, stderr } = await slipway(['run', 'tiny', '--', 'true'], { SLIPWAY_SOCKET: server.socket })
  expect(code).toBe(125)
  expect(stderr).toContain(`error: machine m-${ULID} was lost by its host: crashed (machine_lost)`)
})

test('an unknown flavor ends with 125, before any lease is made', async () => {
  const refusal = { status: 404, body: { code: 'unknown_flavor', args: { flavor: 'x', known: 'tiny' } } }
  await using server = await fakeCoordinator({ ...answers(granted), 'POST /v1/leases': refusal })
  const { code, stderr } = await slipway(['run', 'x', '--', 'true'], { SLIPWAY_SOCKET: server.socket })
  expect([code, stderr]).toEqual([125, expect.stringContaining('known flavors: tiny')])
})

test('Ctrl-C while the command runs ends with 130 and releases the lease', async () => {
  const interrupt = new AbortController()
  using guest = await fakeGuest((_, channel) => {
    channel.on('error', () => undefined)
    interrupt.abort(new Error('interrupted'))
    setImmediate(() => channel.close())
  })
  await using server = await fakeCoordinator(answers(granted, guest.access))
  await slipway(
    ['run', 'tiny', '-q', '--', 'sleep', '9'],
    { SLIPWAY_SOCKET: server.socket },
    interrupt.signal,
  )
  expect(server.asked.at(-1)).toMatch(/^DELETE \/v1\/leases\/run-/)
})

test('a command that is too slow ends with 125', async () => {
  await using server = await fakeCoordinator({
    ...answers(waiting),
    'GET /v1/leases/*?waitMs=1000&state=waiting': { body: waiting },
  })
  const argv = ['run', 'tiny', '--timeout', '50ms', '--', 'true']
  const { code, stderr } = await slipway(argv, { SLIPWAY_SOCKET: server.socket })
  expect([code, stderr]).toEqual([
    125,
    expect.stringContaining('slipway run took longer than 50 ms (timed_out)'),
  ])
})
