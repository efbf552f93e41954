import { describe, expect, test } from 'vitest'
import { machineId } from '../../test/coordinator/fake-host.ts'
import { anyFlavor, World } from '../../test/coordinator/world.ts'
import { type Access, parseId, Secret } from '../model/index.ts'
import { openStore, type Store } from './store/store.ts'
import { Uniqueness } from './uniqueness.ts'

const [A, B] = [machineId(1), machineId(2)]
const access = (n: number, change: Partial<NonNullable<Access['marks']>> = {}): Access => ({
  address: '10.0.0.1',
  port: 22,
  user: 'job',
  hostKey: `ssh-ed25519 key-${n}`,
  privateKey: new Secret('secret'),
  marks: { machineId: `id-${n}`, hostname: machineId(n), sample: `sample-${n}`, ...change },
})
const memory = () =>
  openStore({ dir: ':memory:', makeId: () => parseId('DatabaseId', `d-${'0'.repeat(26)}`) })

/** As the next commit does. */
function keep(store: Store, unique: Uniqueness): void {
  store.commit(unique.unwritten())
  unique.written()
}

describe('a machine', () => {
  test('is told apart by all that it shows', () => {
    const unique = new Uniqueness(memory())
    expect(unique.judge(A, access(1))).toBeUndefined()
    expect(unique.judge(B, access(2))).toBeUndefined()
  })

  test.each([
    ['host key', { ...access(2), hostKey: access(1).hostKey }],
    ['machine id', access(2, { machineId: 'id-1' })],
    ['sample', access(2, { sample: 'sample-1' })],
    ['hostname', access(2, { hostname: machineId(1) })],
  ] as const)('with the %s of another is found out, before and after a restart', (what, twin) => {
    const store = memory()
    const first = new Uniqueness(store)
    first.judge(A, access(1))
    expect(first.judge(B, twin)).toBe(what)
    keep(store, first)
    expect(new Uniqueness(store).judge(B, twin)).toBe(what)
  })

  test('may be told of again, by this coordinator or the next', () => {
    const store = memory()
    const first = new Uniqueness(store)
    for (const unique of [first, first, new Uniqueness(store)]) {
      expect(unique.judge(A, access(1))).toBeUndefined()
      keep(store, unique)
    }
  })
})

describe('the coordinator', () => {
  const twins = () => {
    const world = new World({ flavors: [anyFlavor({ idle: 1 })] })
    const host = world.host()
    host.ready(host.nth(0))
    world.ask('job-1')
    const shown = host.machines.get(host.nth(0))
    if (shown?.state !== 'ready') throw new Error('not ready')
    return { world, host, shown }
  }

  test('grants no twin, dooms it, and says why', () => {
    const { world, host, shown } = twins()
    const twin = host.nth(1)
    host.becomes(twin, (it) => ({ ...it, state: 'ready', access: shown.access }))
    world.ask('job-2')
    expect(world.get('job-2')).toMatchObject({ state: 'waiting' })
    expect(host.machines.has(twin)).toBe(false)
    expect(world.events).toContainEqual({
      event: 'machine_failed',
      fields: expect.objectContaining({ machine: twin, code: 'not_unique' }),
    })
  })

  test('knows what a machine of long ago has shown, when that is gone and it has started anew', () => {
    const { world, host, shown } = twins()
    world.release('job-1')
    host.connect(world.start())
    world.settle()
    const twin = host.named.at(-1) ?? host.nth(0)
    host.becomes(twin, (it) => ({ ...it, state: 'ready', access: shown.access }))
    expect(world.said('machine_failed')).toBe(1)
  })
})
