/** What hosts are told of templates, on hosts that say what the test says of them. */
import { describe, expect, test } from 'vitest'
import type { FakeHost } from '../../test/coordinator/fake-host.ts'
import { anyFlavor, flavorName, leaseName, World } from '../../test/coordinator/world.ts'
import { type HostTemplate, parseId, type Sharing, shapeKey, type TemplateShape } from '../model/index.ts'

const ROOMY = { vcpus: 16, memoryMiB: 16_384, diskMiB: 100_000 }
/** For one machine of the tiny flavor. */
const NARROW = { vcpus: 16, memoryMiB: 1_280, diskMiB: 100_000 }

const warmHost = (world: World, capacity = ROOMY, templates: readonly HostTemplate[] = []): FakeHost => {
  const host = world.host({ capacity, templates })
  world.settle()
  return host
}

/** As the last wanted set says. */
function wishes(
  host: FakeHost,
): readonly { readonly shape: TemplateShape; readonly reservation?: unknown }[] {
  const frame = host.received.findLast(({ type }) => type === 'wanted')
  return frame?.type === 'wanted' ? (frame.templates ?? []) : []
}

const reserved = (host: FakeHost): TemplateShape | undefined =>
  wishes(host).find(({ reservation }) => reservation !== undefined)?.shape

function says(world: World, host: FakeHost, templates: readonly HostTemplate[]): void {
  host.facts = { ...host.facts, templates }
  host.report()
  world.settle()
}

const building = (shape: TemplateShape): HostTemplate => ({ state: 'building', shape, progressPercent: 40 })
const ready = (shape: TemplateShape, n = 1): HostTemplate => ({
  state: 'ready',
  id: parseId('TemplateId', `t-${String(n).padStart(26, '0')}`),
  shape,
  mode: 'shared-memory',
  builtAtMs: 0,
  clones: 0,
  diskMiB: 1,
  hulls: [],
})

const shapeIn = (host: FakeHost): TemplateShape => {
  const shape = reserved(host)
  if (!shape) throw new Error('no build has room')
  return shape
}

describe('a pool that keeps idle machines', () => {
  test('has its template built first, and is filled once that is there and its room is free', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = warmHost(world, NARROW)
    const shape = shapeIn(host)
    expect(shape).toMatchObject({ memoryMiB: 1024, sharing: 'trust-domain', trustDomain: 'operator' })
    expect(host.named).toHaveLength(0)
    says(world, host, [building(shape)])
    expect(host.named).toHaveLength(0)
    says(world, host, [ready(shape)])
    expect(reserved(host)).toBeUndefined()
    expect(host.named).toHaveLength(0)
    // The host knows that the room is no longer its own.
    host.report()
    world.settle()
    expect(host.named).toHaveLength(1)
  })

  test.each(['failed', 'disk', 'unable'] as const)('boots its machines when that is %s', (reason) => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = warmHost(world, NARROW)
    const shape = shapeIn(host)
    says(world, host, [{ state: 'waiting', shape, reason }])
    host.report()
    world.settle()
    expect(reserved(host)).toBeUndefined()
    expect(host.named).toHaveLength(1)
  })

  test('boots its machines on a host that makes no templates', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const cold = world.host({ cloning: { mode: 'cold', evidence: 'test' }, templates: [] })
    world.settle()
    expect(wishes(cold)).toEqual([])
    expect(cold.named).toHaveLength(1)
  })
})

describe('a build', () => {
  test('gives its room to a job, which has it once the host builds no more', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = warmHost(world, NARROW)
    const shape = shapeIn(host)
    says(world, host, [building(shape)])
    world.ask('job-1')
    expect(reserved(host)).toBeUndefined()
    const { waiting } = world.get('job-1')
    expect(waiting?.reason?.args.detail).toContain('h1 makes room: a template is not built')
    says(world, host, [building(shape)])
    expect(host.named).toHaveLength(0)
    says(world, host, [])
    expect(host.named).toHaveLength(1)
  })

  test('waits until nobody waits for a machine in the making there', () => {
    const world = new World()
    const host = warmHost(world)
    world.ask('job-1')
    expect(wishes(host)).toHaveLength(1)
    expect(reserved(host)).toBeUndefined()
    host.ready(host.nth(0))
    world.settle()
    expect(reserved(host)).toBeDefined()
  })

  test('goes before jobs where these have not paused for two minutes', () => {
    const world = new World()
    const host = warmHost(world, NARROW)
    for (const n of [1, 2, 3, 4]) world.ask(`job-${n}`, { ttlMs: 600_000 })
    host.ready(host.nth(0))
    world.clock.pass(130_000)
    host.report()
    expect(reserved(host)).toBeUndefined()
    world.release('job-1')
    host.report()
    world.settle()
    const shape = shapeIn(host)
    expect(host.named).toHaveLength(1)
    says(world, host, [building(shape)])
    says(world, host, [ready(shape)])
    host.report()
    world.settle()
    expect(host.named).toHaveLength(2)
  })

  test('goes on over a restart of the coordinator, in room that is counted', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = warmHost(world, NARROW)
    const shape = shapeIn(host)
    says(world, host, [building(shape)])
    host.connect(world.start())
    world.settle()
    expect(reserved(host)).toEqual(shape)
    expect(host.named).toHaveLength(0)
  })

  test('that a frame from before tells of gets no room, and keeps none', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = warmHost(world, NARROW)
    const shape = shapeIn(host)
    says(world, host, [{ state: 'waiting', shape, reason: 'failed' }])
    says(world, host, [building(shape)])
    expect(reserved(host)).toBeUndefined()
    says(world, host, [{ state: 'waiting', shape, reason: 'failed' }])
    expect(host.named).toHaveLength(1)
  })

  test('is not begun, nor a machine, where an earlier agent has left something', () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = world.host({ templates: [], settling: true })
    world.ask('job-1')
    expect(reserved(host)).toBeUndefined()
    expect(host.named).toHaveLength(0)
    const { settling: _, ...facts } = host.facts
    host.facts = facts
    host.report()
    world.settle()
    expect(host.named).toHaveLength(1)
  })
})

describe('sharing', () => {
  const twoDomains = (sharing: Sharing): World => {
    const world = new World({ flavors: [anyFlavor({ idle: 1, sharing })] })
    for (const name of ['red', 'blue']) {
      const trustDomain = parseId('TrustDomain', name)
      world.coordinator.createToken({ runner: name, trustDomain, flavors: ['*'], images: [], leasesMax: 9 })
    }
    return world
  }

  test.each([
    ['trust-domain', ['blue', 'red']],
    ['host', [undefined]],
    ['none', [undefined]],
  ] as const)('%s: templates of domains %j', (sharing, domains) => {
    const host = warmHost(twoDomains(sharing))
    expect(
      wishes(host)
        .map(({ shape }) => shape.trustDomain)
        .toSorted(),
    ).toEqual(domains)
    for (const { shape } of wishes(host)) expect(shape.sharing).toBe(sharing)
  })

  test('one at a time is built', () => {
    const world = twoDomains('trust-domain')
    const host = warmHost(world)
    const first = shapeIn(host)
    expect(wishes(host).filter(({ reservation }) => reservation)).toHaveLength(1)
    says(world, host, [ready(first)])
    host.report()
    world.settle()
    const second = shapeIn(host)
    expect(shapeKey(second)).not.toBe(shapeKey(first))
  })
})

test('what was asked for lately is wished for again after a restart', () => {
  const world = new World()
  const host = warmHost(world)
  world.coordinator.ask(world.coordinator.caller(undefined), {
    name: leaseName('job-1'),
    flavor: flavorName('tiny'),
    ttlMs: 60_000,
  })
  world.release('job-1')
  expect(wishes(host)).toHaveLength(1)
  host.connect(world.start())
  world.settle()
  expect(wishes(host)).toHaveLength(1)
})

test('who waits is told how far the template is that no host has yet', () => {
  const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
  const host = warmHost(world)
  const shape = shapeIn(host)
  says(world, host, [building(shape)])
  world.ask('job-1')
  expect(world.get('job-1').waiting?.template).toEqual({
    host: 'h1',
    state: 'building',
    progressPercent: 40,
  })
  expect(world.coordinator.inventory.templates()).toEqual([
    { host: 'h1', flavors: ['tiny'], image: 'tiny', template: building(shape) },
  ])
  says(world, host, [ready(shape)])
  expect(world.get('job-1').waiting?.template).toBeUndefined()
})
