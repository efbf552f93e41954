/** Agents that come, go, lie and repeat themselves. */
import { describe, expect, test } from 'vitest'
import { FakeHost, LOST, machineId } from '../../test/coordinator/fake-host.ts'
import { anyFacts, anyFlavor, World } from '../../test/coordinator/world.ts'
import { SlipwayError } from '../model/index.ts'
import { HOST_SILENT_MS } from './refusal.ts'
import { openStore } from './store/store.ts'
import { WANTED_EVERY_MS } from './wanted.ts'

const refusal = (host: FakeHost) =>
  host.received.flatMap((frame) => (frame.type === 'refused' ? [frame.failure.code] : []))
const sets = (host: FakeHost) => host.received.flatMap((frame) => (frame.type === 'wanted' ? [frame] : []))

describe('an agent', () => {
  test('is welcomed, and then told its whole set', () => {
    const host = new World().host()
    expect(host.received.map(({ type }) => type)).toEqual(['welcome', 'wanted'])
  })

  test('that says hello again, since it heard no welcome, is welcomed again and logged once', () => {
    const world = new World()
    const host = world.host()
    host.hello()
    expect(host.received.filter(({ type }) => type === 'welcome')).toHaveLength(2)
    const logged = () => world.events.filter(({ event }) => event === 'host_connected').length
    expect(logged()).toBe(1)
    host.disconnect()
    host.connect(world.coordinator)
    expect(logged()).toBe(2)
  })

  test('of another database is refused', () => {
    const world = new World()
    const host = new FakeHost(anyFacts())
    host.database = `d-${'9'.repeat(26)}`
    host.connect(world.coordinator)
    expect(refusal(host)).toEqual(['other_database'])
    expect(host.closedByCoordinator).toBe(true)
    expect(world.coordinator.inventory.hosts()).toEqual([])
  })

  test('that has obeyed a later start of this database is refused: this coordinator was replaced', () => {
    const world = new World()
    const host = new FakeHost(anyFacts())
    host.stamp = { epoch: 7, generation: 1 }
    host.connect(world.coordinator)
    expect(refusal(host)).toEqual(['stale_stamp'])
  })

  test('of a host that another one serves is refused while that one lives, and takes over once it is silent', () => {
    const world = new World()
    const first = world.host()
    expect(refusal(world.host())).toEqual(['host_taken'])
    expect(first.closedByCoordinator).toBe(false)
    first.obeys = false
    world.clock.pass(HOST_SILENT_MS - 1)
    first.obeys = false
    const second = new FakeHost(anyFacts())
    world.clock.stall(2)
    second.connect(world.coordinator)
    expect(refusal(second)).toEqual([])
    expect(first.closedByCoordinator).toBe(true)
    world.ask('job-1')
    expect(second.named).toHaveLength(1)
  })

  test('that falls silent is cut off, and is welcome again', () => {
    const world = new World()
    const host = world.host()
    host.obeys = false
    world.clock.pass(HOST_SILENT_MS + 2_000)
    expect(host.closedByCoordinator).toBe(true)
    expect(world.coordinator.inventory.hosts()).toMatchObject([{ host: 'h1', connected: false }])
    host.obeys = true
    host.connect(world.coordinator)
    expect(world.coordinator.inventory.hosts()).toMatchObject([{ host: 'h1', connected: true }])
  })

  test('that never says who it is is cut off', () => {
    const world = new World()
    let closed = 0
    world.coordinator.agentConnected({ send: () => {}, close: () => (closed += 1) })
    world.clock.pass(30_000)
    expect(closed).toBe(1)
  })

  test('that speaks for two hosts is cut off from the second', () => {
    const world = new World()
    const host = world.host()
    host.hello({ host: anyFacts({ host: 'h2' }).host, facts: anyFacts({ host: 'h2' }) })
    expect(refusal(host)).toEqual(['bad_request'])
    expect(world.coordinator.inventory.hosts().map(({ host }) => host)).toEqual(['h1'])
  })

  test('that reports a machine of another host is cut off, and believed nothing', () => {
    const world = new World()
    const [h1, h2] = [world.host(), world.host({ host: 'h2' })]
    world.ask('job-1')
    const [owner, thief] = h1.named.length > 0 ? [h1, h2] : [h2, h1]
    const machine = owner.nth(0)
    const known = owner.machines.get(machine)
    if (!known) throw new Error('no machine')
    thief.machines.set(machine, {
      machine,
      spec: known.spec,
      timeline: [],
      state: 'lost',
      failure: LOST,
      consoleTail: [],
    })
    thief.report()
    expect(thief.closedByCoordinator).toBe(true)
    owner.ready(machine)
    expect(world.get('job-1')).toMatchObject({ state: 'granted', host: owner.host })
  })

  test('that says nothing but nonsense is cut off', () => {
    const world = new World()
    let closed = 0
    const session = world.coordinator.agentConnected({ send: () => {}, close: () => (closed += 1) })
    session.malformed('nonsense')
    expect([closed, world.said('agent_misbehaved')]).toEqual([1, 1])
  })

  test('gets its set again and again, of the same stamp while nothing changes', () => {
    const world = new World()
    const host = world.host()
    world.clock.pass(3 * WANTED_EVERY_MS + 1_000)
    const stamps = sets(host).map(({ stamp }) => stamp)
    expect(stamps.length).toBeGreaterThanOrEqual(3)
    expect(new Set(stamps.map(({ generation }) => generation)).size).toBe(1)
  })

  test('of a restarted coordinator gets a stamp above every earlier one', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 3 })] })
    const host = world.host()
    const before = host.stamp
    host.connect(world.start())
    expect(host.stamp.epoch).toBe(before.epoch + 1)
  })
})

describe('a machine', () => {
  test('that nobody named is destroyed, and counts against its host until then', () => {
    const world = new World()
    const host = world.host()
    const spec = { ...anySpecOf(world), flavor: world.flavors[0]?.name ?? ('' as never) }
    host.destroysAtOnce = false
    host.machines.set(machineId(1), { machine: machineId(1), spec, timeline: [], state: 'creating' })
    host.report()
    expect(world.coordinator.machines()).toMatchObject([{ machine: machineId(1), state: 'doomed' }])
    expect(world.coordinator.inventory.hosts()[0]?.reserved.vcpus).toBe(1)
    host.machines.delete(machineId(1))
    host.report()
    expect(world.coordinator.machines()).toEqual([])
  })

  test('is gone only by a report that knows it is not wanted', () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1')
    host.ready(host.nth(0))
    const { stamp } = host
    host.obeys = false
    world.release('job-1')
    host.send({ type: 'report', full: true, stamp, machines: [], gone: [] })
    host.send({ type: 'report', full: false, stamp, machines: [], gone: [host.nth(0)] })
    expect(world.coordinator.machines()).toMatchObject([{ state: 'doomed' }])
    const later = { ...stamp, generation: stamp.generation + 2 }
    host.send({ type: 'report', full: true, stamp: later, machines: [], gone: [] })
    expect(world.coordinator.machines()).toEqual([])
  })

  test('reported again after it was gone is not taken for a new one', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 0 })] })
    const host = world.host()
    world.ask('job-1')
    host.ready(host.nth(0))
    const late = [...host.machines.values()]
    world.release('job-1')
    host.send({ type: 'report', full: false, stamp: { epoch: 1, generation: 1 }, machines: late, gone: [] })
    world.ask('job-2')
    expect(world.get('job-2')).toMatchObject({ state: 'waiting' })
    expect(world.coordinator.machines().map(({ state }) => state)).toEqual(['doomed', 'creating'])
  })

  test('that its host no longer knows is lost with its lease', () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1')
    host.ready(host.nth(0))
    host.machines.clear()
    host.report()
    expect(world.get('job-1')).toMatchObject({
      state: 'ended',
      end: 'lost',
      failure: { code: 'machine_lost' },
    })
  })

  test('made under another database is not taken over', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = world.host()
    host.ready(host.nth(0))
    host.disconnect()
    host.database = undefined
    host.connect(world.start())
    world.settle()
    expect(host.machines.has(host.nth(0))).toBe(false)
  })
})

describe('time', () => {
  test("in which the process stood still is nobody's fault", () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1', { ttlMs: 20_000 })
    host.ready(host.nth(0))
    world.clock.stall(3_600_000)
    world.clock.pass(1_000)
    expect(world.get('job-1')).toMatchObject({ state: 'granted' })
    expect(host.closedByCoordinator).toBe(false)
  })

  test('leaves no timer behind after the end', () => {
    const world = new World()
    world.host()
    world.coordinator.close()
    world.clock.pass(60_000)
    expect(world.clock.pending).toBe(0)
  })
})

describe('a store that refuses', () => {
  test('fails the call with a code and changes nothing; the coordinator lives, and goes on once it can', () => {
    const inner = openStore({ dir: ':memory:', makeId: new World().ids.database })
    let full = false
    const store = {
      ...inner,
      commit(changes: Parameters<typeof inner.commit>[0]) {
        if (full) throw new SlipwayError('database_failed', { file: 'f', detail: 'database or disk is full' })
        inner.commit(changes)
      },
    }
    const world = new World({ store })
    const host = world.host()
    world.ask('job-1')
    full = true
    expect(() => world.ask('job-2')).toThrow(expect.objectContaining({ code: 'database_failed' }))
    host.ready(host.nth(0))
    expect(world.get('job-1')).toMatchObject({ state: 'waiting' })
    expect(() => world.release('job-1')).toThrow(expect.objectContaining({ code: 'database_failed' }))
    full = false
    world.clock.pass(1_000)
    expect(world.get('job-1')).toMatchObject({ state: 'granted' })
    expect(() => world.get('job-2')).toThrow('no lease "job-2"')
  })
})

const anySpecOf = (world: World) => {
  const [flavor] = world.flavors
  if (!flavor) throw new Error('no flavor')
  const { vcpus, memoryMiB, diskGiB, allowEmulation } = flavor
  return {
    flavor: flavor.name,
    image: anyFacts().images[0]?.digest ?? ('' as never),
    vcpus,
    memoryMiB,
    diskGiB,
    network: { allow: [] },
    trustDomain: 'd' as never,
    allowEmulation,
  }
}
