/** Time is driven by hand: a timer due runs when the promises before it have come to rest. */
import { expect, test } from 'vitest'
import { type Clock, parseId } from '../../../model/index.ts'
import { resourceName } from '../resource-name.ts'
import { type GuestBehaviour, KIT_PATH, simulatedDoor, simulatedDriver, VirtualHost } from './index.ts'

const machine = parseId('MachineId', `m-${'0'.repeat(26)}`)
const userKey = 'ssh-ed25519 AAAAuser'
const never = new AbortController().signal

/** Its tasks run at once, soonest first, so that every wait is short and in order. */
function hastyClock(): Clock {
  let nowMs = 0
  const tasks = new Map<() => void, number>()
  const runNext = (): void => {
    const next = [...tasks].sort(([, a], [, b]) => a - b)[0]
    if (next === undefined) return
    tasks.delete(next[0])
    nowMs = next[1]
    next[0]()
  }
  return {
    now: () => nowMs,
    wall: () => nowMs,
    after(delayMs, task) {
      tasks.set(task, nowMs + delayMs)
      setImmediate(runNext)
      return () => tasks.delete(task)
    },
  }
}

async function machineThat(behaviour: GuestBehaviour) {
  const host = new VirtualHost(parseId('HostId', 'one'), { vcpus: 4, memoryMiB: 1024, diskMiB: 10_240 })
  const options = { host, clock: hastyClock(), random: () => 0.5, behaviour: () => behaviour }
  const driver = simulatedDriver(options)
  const image = {
    name: 'tiny',
    version: '1',
    os: 'linux',
    arch: 'x86_64',
    firmware: 'bios',
    user: 'root',
    digest: parseId('ImageDigest', `sha256:${'0'.repeat(64)}`),
    sizeBytes: 1,
    virtualBytes: 1,
    builtAt: '',
  } as const
  const spec = {
    flavor: parseId('FlavorName', 'tiny'),
    image: image.digest,
    vcpus: 1,
    memoryMiB: 256,
    diskGiB: 1,
    network: { allow: [] },
    trustDomain: parseId('TrustDomain', 'default'),
    allowEmulation: true,
  }
  const made = await driver.clone({ machine, spec, image, disk: '', step: () => {}, signal: never })
  const runKit = () =>
    driver.guest(machine).exec(KIT_PATH, [], {
      stdin: `entropy=00\nhost-key=make\nauthorized-key=${userKey}\n`,
      signal: never,
      deadlineMs: 5_000,
    })
  const login = (hostKey: string, publicKey = userKey) =>
    simulatedDoor(options)({ ...made, user: 'root', hostKey }, publicKey, never)
  return { driver, host, runKit, login }
}

test('an honest guest opens its door to the key it was given, and to no other', async () => {
  const { driver, runKit, login } = await machineThat('honest')
  const { hostKey } = JSON.parse((await runKit()).stdout)
  await expect(login(hostKey)).rejects.toMatchObject({ code: 'ssh_failed' })
  await driver.link(machine, 'up', { signal: never })
  await login(hostKey)
  await expect(login(hostKey, 'ssh-ed25519 AAAAother')).rejects.toMatchObject({ code: 'ssh_failed' })
})

test('a silent guest is given up at the deadline', async () => {
  const { driver } = await machineThat('silent')
  const answer = driver.guest(machine).sync({ signal: never, deadlineMs: 5_000 })
  await expect(answer).rejects.toMatchObject({ code: 'guest_silent' })
})

test('a guest that lies about its host key is found out at its door', async () => {
  const { driver, runKit, login } = await machineThat('lies')
  const { hostKey } = JSON.parse((await runKit()).stdout)
  await driver.link(machine, 'up', { signal: never })
  await expect(login(hostKey)).rejects.toMatchObject({ code: 'host_key_mismatch' })
})

test('a guest that floods is called broken', async () => {
  const { runKit } = await machineThat('floods')
  await expect(runKit()).rejects.toMatchObject({ code: 'guest_misbehaved' })
})

test.each([
  ['stops', 'stopped'],
  ['crashes', 'crashed'],
] as const)('a guest that %s says %s and answers no more', async (behaviour, kind) => {
  const { driver, runKit } = await machineThat(behaviour)
  const events = driver.events({ signal: never })[Symbol.asyncIterator]()
  await expect(runKit()).rejects.toMatchObject({ code: 'hypervisor_refused' })
  expect((await events.next()).value).toMatchObject({ machine, kind })
})

test('a hypervisor that was down refuses everything, and says when back what vanished meanwhile', async () => {
  const { driver, host } = await machineThat('honest')
  const events = driver.events({ signal: never })[Symbol.asyncIterator]()
  host.setHypervisor('down')
  host.endGuest(resourceName(host.id, machine), 'crashed', 'killed')
  await expect(driver.list()).rejects.toMatchObject({ code: 'hypervisor_down' })
  host.setHypervisor('up')
  expect((await events.next()).value).toMatchObject({ machine, kind: 'vanished' })
})
