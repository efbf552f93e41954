import { expect, it } from 'vitest'
import { machineOf } from '../../test/agent/world.ts'
import { VirtualClock } from '../../test/sim/virtual-clock.ts'
import type { GuestChannel } from './drivers/driver.ts'
import { GuestClock } from './guest-clock.ts'

const { signal } = new AbortController()

/** A guest whose clock takes effect `delayMs` late each time it is set, as a program that is slow to start makes it. */
async function guest(clock: VirtualClock, guestClock: GuestClock, delayMs: () => number) {
  let offMs = 0
  let settings = 0
  const set = async (wallMs: number): Promise<void> => {
    settings++
    await clock.runUntil(clock.now() + delayMs())
    offMs = wallMs - clock.wall()
  }
  const channel: Pick<GuestChannel, 'time'> = { time: async () => clock.wall() + offMs }
  await set(guestClock.target())
  const silent = { sync: async () => {}, exec: () => Promise.reject(new Error('not asked')) }
  const correction = {
    machine: machineOf(1),
    channel: { ...silent, ...channel },
    set,
    signal,
    deadlineMs: 1_000,
  }
  await guestClock.settle(correction)
  return { offMs: Math.abs(offMs), settings }
}

it('leaves a clock that is near enough alone', async () => {
  const clock = new VirtualClock()
  expect(await guest(clock, new GuestClock(clock), () => 60)).toEqual({ offMs: 60, settings: 1 })
})

it('sets a late clock ahead, and the next machine’s at once', async () => {
  const clock = new VirtualClock()
  const guestClock = new GuestClock(clock)
  expect(await guest(clock, guestClock, () => 400)).toEqual({ offMs: 0, settings: 2 })
  expect(await guest(clock, guestClock, () => 430)).toEqual({ offMs: 30, settings: 1 })
})

it('tries three times where a busy host makes every setting differ, and takes what is no lie', async () => {
  const clock = new VirtualClock()
  const delays = [400, 100, 700, 100, 700, 100]
  const { offMs, settings } = await guest(clock, new GuestClock(clock), () => delays.shift() ?? 0)
  expect(settings).toBe(3)
  expect(offMs).toBeLessThan(1_000)
})

it('gives up a guest whose clock does not follow', async () => {
  const clock = new VirtualClock()
  const guestClock = new GuestClock(clock)
  const channel = {
    sync: async () => {},
    time: async () => 0,
    exec: () => Promise.reject(new Error('not asked')),
  }
  const correction = { machine: machineOf(1), channel, set: async () => {}, signal, deadlineMs: 1_000 }
  await expect(guestClock.settle(correction)).rejects.toMatchObject({ code: 'guest_misbehaved' })
})
