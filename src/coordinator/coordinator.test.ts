import { describe, expect, test } from 'vitest'
import { FAILED } from '../../test/coordinator/fake-host.ts'
import { anyFlavor, anyImage, World } from '../../test/coordinator/world.ts'
import { HOST_GRACE_MS } from './fleet.ts'

describe('a lease', () => {
  test('is granted the machine that was made for it', () => {
    const world = new World()
    const host = world.host()
    expect(world.ask('job-1')).toMatchObject({ state: 'waiting', waiting: { position: 1 } })
    host.ready(host.nth(0))
    expect(world.get('job-1')).toMatchObject({ state: 'granted', machine: host.nth(0), host: 'h1' })
  })

  test('is granted a ready machine in the turn it is asked for', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = world.host()
    host.ready(host.nth(0))
    expect(world.ask('job-1')).toMatchObject({ state: 'granted', machine: host.nth(0) })
  })

  test('asked for again is the same one; asked for differently is refused', () => {
    const world = new World({ flavors: [anyFlavor(), anyFlavor({ name: 'other' })] })
    const { id } = world.ask('job-1')
    expect(world.ask('job-1').id).toBe(id)
    expect(() => world.ask('job-1', { flavor: 'other' })).toThrow('already exists and differs')
  })

  test('released: its machine is destroyed and never granted again', () => {
    const world = new World()
    const host = world.host()
    host.destroysAtOnce = false
    world.ask('job-1')
    host.ready(host.nth(0))
    expect(world.release('job-1')).toMatchObject({ state: 'ended', end: 'released' })
    expect(world.release('job-1')).toMatchObject({ state: 'ended', end: 'released' })
    world.ask('job-2')
    expect(world.get('job-2')).toMatchObject({ state: 'waiting' })
    expect(host.machines.get(host.nth(0))).toMatchObject({ state: 'destroying' })
    host.finish()
    host.ready(host.nth(1))
    expect(world.get('job-2')).toMatchObject({ state: 'granted', machine: host.nth(1) })
  })

  test('without heartbeats ends as expired, and its machine goes', () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1', { ttlMs: 5_000 })
    host.ready(host.nth(0))
    world.clock.pass(7_000)
    expect(world.get('job-1')).toMatchObject({
      state: 'ended',
      end: 'expired',
      failure: { code: 'lease_expired' },
    })
    expect(host.machines.size).toBe(0)
  })

  test('that was cancelled leaves its machine in the making to the next one', () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1')
    world.release('job-1')
    world.ask('job-2')
    expect(host.named).toHaveLength(1)
    host.ready(host.nth(0))
    expect(world.get('job-2')).toMatchObject({ state: 'granted', machine: host.nth(0) })
  })

  test('whose machine is lost ends with the reason of its host', () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1')
    host.ready(host.nth(0))
    host.lose(host.nth(0), { code: 'machine_stopped', args: { machine: host.nth(0) } })
    expect(world.get('job-1')).toMatchObject({
      state: 'ended',
      end: 'lost',
      failure: { code: 'machine_stopped' },
    })
  })

  test('fails with the second failure under it, its timeline and its console', () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1')
    host.fail(host.nth(0))
    expect(world.get('job-1')).toMatchObject({ state: 'waiting', waiting: { reason: FAILED } })
    world.clock.pass(2_000)
    host.fail(host.nth(1))
    expect(world.get('job-1')).toMatchObject({
      state: 'ended',
      end: 'failed',
      failure: FAILED,
      consoleTail: ['panic'],
    })
  })

  test('for an image no host has fails at once; without a host it waits', () => {
    const world = new World({ flavors: [anyFlavor({ image: 'absent' })] })
    expect(world.ask('job-1')).toMatchObject({ state: 'waiting', waiting: { reason: { code: 'no_host' } } })
    world.host()
    expect(world.get('job-1')).toMatchObject({ state: 'ended', failure: { code: 'unknown_image' } })
  })
})

describe('a restarted coordinator', () => {
  test('keeps a granted lease, and gives its key out again once the host has spoken', () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1')
    host.ready(host.nth(0))
    const before = world.get('job-1')
    const coordinator = world.start()
    expect(world.get('job-1')).toMatchObject({ id: before.id, state: 'granted' })
    expect(() => coordinator.access(coordinator.caller(undefined), 'job-1')).toThrow('not connected')
    host.connect(coordinator)
    expect(coordinator.access(coordinator.caller(undefined), 'job-1')).toMatchObject({ user: 'job' })
    expect(host.machines.size).toBe(1)
  })

  test('takes over idle machines, but none that has served', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = world.host()
    host.ready(host.nth(0))
    world.ask('job-1')
    host.ready(host.nth(1))
    host.obeys = false
    world.release('job-1')
    const coordinator = world.start()
    host.obeys = true
    host.connect(coordinator)
    expect(world.ask('job-2')).toMatchObject({ state: 'granted', machine: host.nth(1) })
    expect(host.machines.has(host.nth(0))).toBe(false)
  })

  test('gives a host that stays away a while, then ends its leases as lost', () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1', { ttlMs: 3_600_000 })
    host.ready(host.nth(0))
    world.start()
    world.clock.pass(HOST_GRACE_MS - 1_000)
    expect(world.get('job-1')).toMatchObject({ state: 'granted' })
    world.clock.pass(3_000)
    expect(world.get('job-1')).toMatchObject({
      state: 'ended',
      end: 'lost',
      failure: { code: 'machine_lost' },
    })
  })

  test('has a higher epoch and the same database', () => {
    const world = new World()
    const { database, epoch } = world.coordinator.health()
    expect(world.start().health()).toMatchObject({ database, epoch: epoch + 1 })
  })
})

describe('room', () => {
  test('of an idle machine goes to a job that waits, and its room is not given away twice', () => {
    const flavors = [anyFlavor({ idle: 2 }), anyFlavor({ name: 'large', image: 'large', memoryMiB: 3_000 })]
    const world = new World({ flavors })
    const images = [anyImage(), anyImage({ name: 'large', byte: '22' })]
    const host = world.host({ images, capacity: { vcpus: 8, memoryMiB: 4_000, diskMiB: 100_000 } })
    host.destroysAtOnce = false
    host.ready(host.nth(0))
    host.ready(host.nth(1))
    expect(world.ask('job-1', { flavor: 'large' })).toMatchObject({
      state: 'waiting',
      waiting: { reason: { code: 'no_capacity' } },
    })
    expect([...host.machines.values()].map(({ state }) => state)).toEqual(['destroying', 'destroying'])
    host.finish()
    world.settle()
    expect(host.named).toHaveLength(3)
    host.ready(host.nth(2))
    expect(world.get('job-1')).toMatchObject({ state: 'granted' })
  })
})
