/** Fifty machines at once: made a few at a time, slowly, and all of them. */
import { expect, test } from 'vitest'
import { machineOf, World } from '../../test/agent/world.ts'

const BURST = 50
const AT_ONCE = 2

test('a burst slows down instead of timing out', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  const machines = Array.from({ length: BURST }, (_, n) => machineOf(n + 1))
  line.want(machines)
  let most = 0
  const booting = (): number =>
    world.host.things().filter((thing) => thing.kind === 'domain' && !thing.guest.authorizedKey).length
  // No deadline of a making runs while it waits for its turn: the last one takes as long as the first.
  for (let passed = 0; passed < 400; passed++) {
    await world.pass(1_000)
    most = Math.max(most, booting())
  }
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(AT_ONCE)
  expect(machines.map((machine) => line.story(machine).at(-1))).toEqual(machines.map(() => 'ready'))
  const tookMs = (n: number): number => {
    const { timeline = [] } = line.last(machineOf(n)) ?? {}
    const [turn, ready] = ['turn', 'ready'].map((name) => timeline.find(({ step }) => step === name)?.atMs)
    return (ready ?? Number.NaN) - (turn ?? Number.NaN)
  }
  expect(tookMs(BURST)).toBeLessThan(1.5 * tookMs(1))
})
