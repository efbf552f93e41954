/** The unique-before-used sequence against guests that do as they like. */
import { expect, it } from 'vitest'
import { counted, HOST, machineOf, World } from '../../test/agent/world.ts'
import { anyImage, anySpec } from '../../test/conformance/image.ts'
import { type Access, SlipwayError } from '../model/index.ts'
import type { GuestChannel } from './drivers/driver.ts'
import { makeReady, type ReadyPorts } from './ready.ts'
import { Unseen } from './unseen.ts'

const machine = machineOf(1)

interface Spoilt {
  readonly guest?: Partial<GuestChannel>
  /** Answers all but greetings. */
  readonly kit?: () => Promise<string>
  readonly door?: ReadyPorts['door']
  readonly unseen?: Unseen
}

/** A machine cloned on a simulated host, some of it replaced; `log` tells what was done to it, in order. */
async function sequence({ guest, kit, door, unseen }: Spoilt = {}) {
  const world = new World()
  const { driver, clock } = world
  const log: string[] = []
  const { signal } = new AbortController()
  const wanted = { machine, spec: anySpec, image: anyImage, disk: '/nowhere', step: () => {}, signal }
  const clone = await world.settle(driver.clone(wanted))
  const ports: ReadyPorts = {
    clock,
    random: counted(),
    unseen: unseen ?? new Unseen(HOST),
    driver: {
      guest: (id) => {
        const real = driver.guest(id)
        const channel = { ...real, ...guest }
        return {
          ...channel,
          ask: (request, options) =>
            request === ''
              ? tell('greet', () => channel.ask(request, options))
              : tell('kit', () => (kit ? kit() : channel.ask(request, options))),
        }
      },
      link: (id, state, options) => tell(`link ${state}`, () => driver.link(id, state, options)),
    },
    door: (access, options) => tell('door', () => (door ?? world.ports.door)(access, options)),
  }
  async function tell<T>(what: string, task: () => Promise<T>): Promise<T> {
    log.push(what)
    return task()
  }
  const steps: string[] = []
  const making = {
    clone,
    user: 'root',
    tools: false,
    bootMs: 30_000,
    step: (name: string) => void steps.push(name),
  }
  const run = (stop = new AbortController()): Promise<Access> =>
    world.settle(makeReady(ports, { ...making, signal: stop.signal }))
  return { run, log, steps, world }
}

const never = () => new Promise<never>(() => undefined)
const GREETED = '{"kit":1,"ok":true,"steps":[],"machineId":"","hostname":"x","clockNs":1893456000000000000}'
it('does nothing before the guest answers, and opens the link only to a guest made unique', async () => {
  const { run, log, steps } = await sequence()
  await run()
  expect(log).toEqual(['greet', 'greet', 'kit', 'link up', 'door'])
  expect(steps).toEqual(['guest', 'unique', 'link', 'ssh'])
})

it('gives up a guest that never answers, however deaf its driver is to the deadline', async () => {
  const silent = await sequence({ guest: { ask: never } })
  await expect(silent.run()).rejects.toMatchObject({
    code: 'guest_silent',
    args: { machine, deadlineMs: 30_000 },
  })
  const mute = await sequence({ kit: never })
  await expect(mute.run()).rejects.toMatchObject({
    code: 'guest_silent',
    args: { machine, deadlineMs: 60_000 },
  })
  expect(mute.log.at(-1)).toBe('kit')
})

it('keeps the link of a guest closed whose answer is not believed', async () => {
  for (const line of ['', '{}', '[]', 'null', 'A'.repeat(1_000_000), '{"kit":1,"ok":true}', GREETED]) {
    const { run, log } = await sequence({ kit: async () => line })
    await expect(run()).rejects.toMatchObject({ code: 'guest_misbehaved' })
    expect(log.at(-1)).toBe('kit')
  }
})

it('refuses a guest whose key or sample another machine has shown', async () => {
  const unseen = new Unseen(HOST)
  const first = await sequence({ unseen })
  await first.run()
  const twin = await sequence({ unseen })
  await expect(twin.run()).rejects.toMatchObject({ code: 'guest_misbehaved' })
  expect(twin.log.at(-1)).toBe('kit')
})

it('knocks again while the SSH server comes up, and says in the end why it was not let in', async () => {
  let knocks = 0
  const late = await sequence({
    door: async () => {
      if (++knocks < 20) throw new SlipwayError('ssh_failed', { machine, detail: 'connection refused' })
    },
  })
  await late.run()
  expect(knocks).toBe(20)
  const shut = await sequence({
    door: async () => {
      throw new SlipwayError('ssh_failed', { machine, detail: 'connection refused' })
    },
  })
  await expect(shut.run()).rejects.toMatchObject({
    code: 'ssh_failed',
    args: { detail: 'connection refused' },
  })
})

it('does not knock twice at a door that shows another key', async () => {
  const { run, log } = await sequence({
    door: async () => {
      throw new SlipwayError('host_key_mismatch', { machine })
    },
  })
  await expect(run()).rejects.toMatchObject({ code: 'host_key_mismatch' })
  expect(log.filter((what) => what === 'door')).toHaveLength(1)
})

it('ends at once when it is told to', async () => {
  const stop = new AbortController()
  const ask = (): Promise<never> => {
    stop.abort(new Error('enough'))
    return never()
  }
  const { run, world } = await sequence({ guest: { ask } })
  const startMs = world.clock.now()
  await expect(run(stop)).rejects.toThrow('enough')
  expect(world.clock.now()).toBe(startMs)
})
