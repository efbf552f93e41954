import { describe, expect, test } from 'vitest'
import { FAILED } from '../../test/coordinator/fake-host.ts'
import { anyFlavor, anyImage, flavorName, leaseName, World } from '../../test/coordinator/world.ts'
import { parseId, SlipwayError } from '../model/index.ts'
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

describe('waiting for a lease', () => {
  const never = new AbortController().signal
  const operator = (world: World) => world.coordinator.caller(undefined)

  test('ends with the change of its state, and keeps it alive meanwhile', async () => {
    const world = new World()
    const host = world.host()
    world.ask('job-1', { ttlMs: 5_000 })
    const wait = world.coordinator.wait(operator(world), 'job-1', { waitMs: 60_000, signal: never })
    world.clock.pass(30_000)
    host.ready(host.nth(0))
    expect(await wait).toMatchObject({ state: 'granted' })
  })

  test('ends after its time, with the caller, and with the coordinator, and leaves nothing behind', async () => {
    const world = new World()
    world.ask('job-1')
    const gone = new AbortController()
    const waits = [
      world.coordinator.wait(operator(world), 'job-1', { waitMs: 1_000, signal: never }),
      world.coordinator.wait(operator(world), 'job-1', { waitMs: 60_000, signal: gone.signal }),
      world.coordinator.wait(operator(world), 'job-1', { waitMs: 60_000, signal: never }),
    ]
    world.clock.pass(2_000)
    expect(await waits[0]).toMatchObject({ state: 'waiting' })
    gone.abort()
    await expect(waits[1]).rejects.toMatchObject({ code: 'cancelled' })
    world.coordinator.close()
    expect(await waits[2]).toMatchObject({ state: 'waiting' })
    expect(world.clock.pending).toBe(0)
  })

  test('by somebody else does not keep it alive', async () => {
    const world = new World()
    const { token } = world.coordinator.createToken({
      runner: 'runner-a',
      trustDomain: parseId('TrustDomain', 'd'),
      flavors: ['*'],
      images: [],
      leasesMax: 1,
    })
    const runner = world.coordinator.caller(token)
    world.coordinator.ask(runner, { name: leaseName('theirs'), flavor: flavorName('tiny'), ttlMs: 5_000 })
    const wait = world.coordinator.wait(operator(world), 'theirs', { waitMs: 60_000, signal: never })
    world.clock.pass(7_000)
    expect(await wait).toMatchObject({ state: 'ended', end: 'expired' })
  })

  test('with no time to wait is an answer at once', async () => {
    const world = new World()
    world.ask('job-1')
    const { pending } = world.clock
    const wait = world.coordinator.wait(operator(world), 'job-1', { waitMs: 0, signal: never })
    expect(world.clock.pending).toBe(pending)
    expect(await wait).toMatchObject({ state: 'waiting' })
  })
})

describe('names', () => {
  test("are each owner's own; the operator is told when one is not enough", () => {
    const world = new World()
    const callers = ['runner-a', 'runner-b'].map((runner) => {
      const ask = {
        runner,
        trustDomain: parseId('TrustDomain', 'd'),
        flavors: ['*'],
        images: [],
        leasesMax: 9,
      }
      return world.coordinator.caller(world.coordinator.createToken(ask).token)
    })
    const leases = callers.map((caller) =>
      world.coordinator.ask(caller, { name: leaseName('job'), flavor: flavorName('tiny'), ttlMs: 60_000 }),
    )
    expect(() => world.get('job')).toThrow(expect.objectContaining({ code: 'ambiguous' }))
    expect(world.get(leases[1]?.id ?? '')).toMatchObject({ runner: 'runner-b' })
    const [a] = callers
    if (!a) throw new Error('no caller')
    expect(() => world.coordinator.get(a, leases[1]?.id ?? '')).toThrow(
      expect.objectContaining({ code: 'forbidden' }),
    )
    expect(world.release(leases[1]?.id ?? '')).toMatchObject({ end: 'released' })
    expect(world.get('job')).toMatchObject({ runner: 'runner-a' })
  })

  test('ended are found until they are used again', () => {
    const world = new World()
    const first = world.ask('job-1')
    world.release('job-1')
    expect(world.get('job-1')).toMatchObject({ id: first.id, state: 'ended' })
    expect(world.ask('job-1').id).not.toBe(first.id)
    expect(world.get(first.id)).toMatchObject({ state: 'ended' })
  })
})

test('no key and no token is ever in a log', () => {
  const world = new World()
  const host = world.host()
  const token = {
    runner: 'a',
    trustDomain: parseId('TrustDomain', 'd'),
    flavors: ['*'],
    images: [],
    leasesMax: 1,
  }
  const made = world.coordinator.createToken(token)
  world.ask('job-1')
  host.ready(host.nth(0))
  const access = world.coordinator.access(world.coordinator.caller(undefined), 'job-1')
  host.lose(host.nth(0))
  const logged = JSON.stringify(world.events)
  expect(logged).toContain(host.nth(0))
  expect(logged).not.toContain(access.privateKey)
  expect(logged).not.toContain(made.token)
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

describe('a store that refuses', () => {
  const broken = () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = world.host()
    host.ready(host.nth(0))
    const { commit } = world.store
    const refuse = (): void => {
      throw new SlipwayError('database_failed', { file: 'db', detail: 'disk full' })
    }
    return { world, breakIt: () => Object.assign(world.store, { commit: refuse }), mend: commit }
  }

  test('makes no lease and grants no machine; its caller is told, and asks again', () => {
    const { world, breakIt, mend } = broken()
    breakIt()
    expect(() => world.ask('job-1')).toThrow(expect.objectContaining({ code: 'database_failed' }))
    expect(() => world.get('job-1')).toThrow(expect.objectContaining({ code: 'not_found' }))
    expect(world.said('store_failed')).toBeGreaterThan(0)
    Object.assign(world.store, { commit: mend })
    expect(world.ask('job-1')).toMatchObject({ state: 'granted' })
  })

  test('a lease and its machine are one write to the disk', () => {
    const { world, mend } = broken()
    const commits: string[][] = []
    Object.assign(world.store, {
      commit: (changes: Parameters<typeof mend>[0]) => {
        commits.push(changes.map(({ kind }) => kind))
        mend(changes)
      },
    })
    expect(world.ask('job-1')).toMatchObject({ state: 'granted' })
    expect(commits.filter((kinds) => kinds.includes('lease'))).toEqual([
      expect.arrayContaining(['lease', 'lease', 'served', 'seen']),
    ])
  })
})
