import { expect, test } from 'vitest'
import { VirtualClock } from '../../../test/sim/virtual-clock.ts'
import { SlipwayError } from '../../model/index.ts'
import { type Ended, keepRunning } from './keep-running.ts'

const killed: Ended = { code: undefined, signal: 'SIGKILL', problem: undefined }
const failed = (problem: SlipwayError): Ended => ({ code: 1, signal: undefined, problem })
const badConfig = new SlipwayError('bad_config', { file: 'agent.toml', detail: 'x' })
const agentRunning = new SlipwayError('agent_running', { pid: 7, host: 'local', dir: '/run' })

/** Each life of the child lasts `lives[i].ms`, is ready at once unless it says no, and ends as told. */
function play(lives: readonly { readonly ms: number; readonly ready?: false; readonly end: Ended }[]) {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const starts: number[] = []
  const stopped: number[] = []
  const done = keepRunning({
    name: 'agent',
    clock,
    signal: stop.signal,
    stopGraceMs: 1,
    ready: () => undefined,
    passes: ({ code }) => code === 'agent_running',
    say: () => undefined,
    start() {
      const life = lives[starts.push(clock.now()) - 1]
      const end = Promise.withResolvers<Ended>()
      if (life !== undefined) clock.after(life.ms, () => end.resolve(life.end))
      return {
        ready: life?.ready === false ? new Promise(() => undefined) : Promise.resolve(),
        ended: end.promise,
        stop() {
          stopped.push(clock.now())
          end.resolve(killed)
        },
      }
    },
  })
  done.catch(() => undefined)
  return { clock, stop, starts, stopped, done }
}

test('a child that is killed is started again, later each time', async () => {
  const { clock, starts, stop, done } = play(Array(4).fill({ ms: 10, end: killed }))
  await clock.runUntil(2_000)
  expect(starts).toEqual([0, 110, 320, 730, 1540])
  stop.abort()
  await done
})

test('a child that served is forgiven its earlier deaths: however often it is killed, it is back at once', async () => {
  const lives = Array(8).fill({ ms: 1_500, end: killed })
  const { clock, starts, stop } = play([{ ms: 10, end: killed }, ...lives])
  await clock.runUntil(12_000)
  expect(starts).toEqual([0, ...lives.map((_, life) => 110 + life * 1_600)])
  stop.abort()
})

test('a child that was never ready is forgiven nothing, however long it took', async () => {
  const { clock, starts, stop } = play(Array(3).fill({ ms: 2_000, ready: false, end: killed }))
  await clock.runUntil(7_000)
  expect(starts).toEqual([0, 2_100, 4_300, 6_700])
  stop.abort()
})

test('a child that was never ready and says why is not tried again', async () => {
  const { clock, starts, done } = play([{ ms: 10, ready: false, end: failed(badConfig) }])
  await clock.runUntil(10_000)
  await expect(done).rejects.toBe(badConfig)
  expect(starts).toHaveLength(1)
})

test('a child whose way will be free soon is tried again', async () => {
  const { clock, starts, stop } = play([{ ms: 10, ready: false, end: failed(agentRunning) }])
  await clock.runUntil(1_000)
  expect(starts).toHaveLength(2)
  stop.abort()
})

test('stopping asks the child, and does not start it again', async () => {
  const { clock, starts, stopped, stop, done } = play([])
  await clock.runUntil(500)
  stop.abort()
  await done
  expect([starts, stopped]).toEqual([[0], [500]])
})
