import { expect, it } from 'vitest'
import { machineOf } from '../../test/agent/world.ts'
import { VirtualClock } from '../../test/sim/virtual-clock.ts'
import { clockBehind, settleClock } from './guest-clock.ts'

/** A guest whose clock is `offMs` off and moves by what `heeds` makes of what it is told. */
function guest(clock: VirtualClock, offMs: number, heeds = (byMs: number) => byMs) {
  const shifts: number[] = []
  const readings: number[] = []
  let off = offMs
  const read = async (): Promise<number> => {
    readings.push(off)
    await clock.runUntil(clock.now() + 20)
    const timeMs = clock.wall() + off
    await clock.runUntil(clock.now() + 20)
    return timeMs
  }
  const shift = async (byMs: number): Promise<void> => {
    shifts.push(byMs)
    off += heeds(byMs)
  }
  return {
    shifts,
    readings,
    correction: { machine: machineOf(1), read, shift, behindMs: -offMs },
    off: () => off,
  }
}

it('is read to within half the time that it takes to ask', async () => {
  const clock = new VirtualClock()
  const { correction, readings } = guest(clock, -86_400_000)
  expect(await clockBehind(clock, correction.read)).toBe(86_400_000)
  expect(readings).toHaveLength(1)
})

it('is read again while it boots, and the quickest reading counts', async () => {
  const clock = new VirtualClock()
  const tookMs = [9_000, 300, 500]
  const read = async (): Promise<number> => {
    const timeMs = clock.wall() - 7_000
    await clock.runUntil(clock.now() + (tookMs.shift() ?? 0))
    return timeMs
  }
  expect(await clockBehind(clock, read)).toBe(7_150)
  expect(tookMs).toEqual([])
})

it('is left alone when it is near enough, and not even asked again', async () => {
  const clock = new VirtualClock()
  const { correction, shifts, readings } = guest(clock, 99)
  await settleClock(clock, correction)
  expect([...shifts, ...readings]).toEqual([])
})

it('is set again while it is off', async () => {
  const clock = new VirtualClock()
  const { correction, shifts, off } = guest(clock, 5_000)
  await settleClock(clock, correction)
  expect(shifts).toEqual([-5_000])
  expect(off()).toBe(0)
})

it('is not set because an answer was late', async () => {
  const clock = new VirtualClock()
  const { correction, shifts } = guest(clock, 0)
  await settleClock(clock, { ...correction, behindMs: 700 })
  expect(shifts).toEqual([])
})

it('may be a little off where a busy host makes every setting differ, after three tries', async () => {
  const clock = new VirtualClock()
  const { correction, shifts } = guest(clock, 5_000, (byMs) => byMs + 400)
  await settleClock(clock, correction)
  expect(shifts).toHaveLength(3)
})

it('gives a guest away whose clock does not follow', async () => {
  const clock = new VirtualClock()
  const { correction } = guest(clock, 5_000, () => 0)
  await expect(settleClock(clock, correction)).rejects.toMatchObject({ code: 'guest_misbehaved' })
})
