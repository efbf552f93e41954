import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/coordinator/manual-clock.ts'
import { parseId } from '../model/index.ts'
import { type GroupHold, Groups } from './groups.ts'

const caller = (runner: string) => ({ runner, trustDomain: parseId('TrustDomain', 'ci') })
const one = caller('one')

function hold(holder: string, more: Partial<GroupHold> = {}): GroupHold {
  return {
    group: 'debian',
    holder,
    again: false,
    waitMs: 10_000,
    signal: new AbortController().signal,
    ...more,
  }
}

/** A coordinator that has been up for long enough. */
function settled(): { readonly groups: Groups; readonly clock: ManualClock } {
  const clock = new ManualClock()
  const groups = new Groups(clock)
  clock.pass(3_000)
  return { groups, clock }
}

describe('a group of leases', () => {
  test('has one holder, who may call again, and nobody else', async () => {
    const { groups, clock } = settled()
    void groups.hold(one, hold('a'))
    void groups.hold(one, hold('a', { again: true }))
    await expect(groups.hold(one, hold('b'))).rejects.toMatchObject({ code: 'group_held' })
    clock.pass(14_999)
    await Promise.resolve()
    await expect(groups.hold(one, hold('b', { again: true }))).rejects.toMatchObject({ code: 'group_held' })
  })

  test('is free at once when its holder’s connection breaks, but not while another call of it is open', async () => {
    const { groups } = settled()
    const first = new AbortController()
    const second = new AbortController()
    const calls = [
      groups.hold(one, hold('a', { signal: first.signal })),
      groups.hold(one, hold('a', { signal: second.signal })),
    ]
    first.abort()
    await calls[0]
    await expect(groups.hold(one, hold('b'))).rejects.toMatchObject({ code: 'group_held' })
    second.abort()
    await calls[1]
    const controller = new AbortController()
    const held = groups.hold(one, hold('b', { signal: controller.signal }))
    controller.abort()
    await expect(held).resolves.toBeUndefined()
  })

  test('is kept from one call to the next for a moment, then free', async () => {
    const { groups, clock } = settled()
    const call = groups.hold(one, hold('a', { waitMs: 0 }))
    clock.pass(0)
    await call
    clock.pass(4_999)
    await expect(groups.hold(one, hold('b'))).rejects.toMatchObject({ code: 'group_held' })
    clock.pass(1)
    const taken = groups.hold(one, hold('b', { waitMs: 0 }))
    clock.pass(0)
    await expect(taken).resolves.toBeUndefined()
  })

  test('of one owner is not the group of that name of another', async () => {
    const { groups, clock } = settled()
    void groups.hold(one, hold('a'))
    const other = groups.hold(caller('two'), hold('b', { waitMs: 0 }))
    clock.pass(0)
    await expect(other).resolves.toBeUndefined()
  })

  test('belongs after a start to who held it before, and later to anybody', async () => {
    const clock = new ManualClock()
    const groups = new Groups(clock)
    await expect(groups.hold(one, hold('b'))).rejects.toMatchObject({ code: 'group_held' })
    void groups.hold(one, hold('a', { again: true }))
    clock.pass(3_000)
    await expect(groups.hold(one, hold('b'))).rejects.toMatchObject({ code: 'group_held' })
  })
})
