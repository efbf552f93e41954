import { expect, it } from 'vitest'
import { Lanes } from './lanes.ts'

const { signal } = new AbortController()

it('runs so many at once and the others in order', async () => {
  const lanes = new Lanes(2)
  const started: number[] = []
  const ends = [1, 2, 3, 4].map(() => Promise.withResolvers<void>())
  const runs = ends.map((end, n) =>
    lanes.run(signal, () => {
      started.push(n)
      return end.promise
    }),
  )
  await Promise.resolve()
  expect(started).toEqual([0, 1])
  ends[1]?.resolve()
  await runs[1]
  await Promise.resolve()
  expect(started).toEqual([0, 1, 2])
  for (const end of ends) end.resolve()
  await Promise.all(runs)
  expect(started).toEqual([0, 1, 2, 3])
})

it('lets one that gives up leave the queue, and a failed one free its lane', async () => {
  const lanes = new Lanes(1)
  const end = Promise.withResolvers<void>()
  const first = lanes.run(signal, () => end.promise)
  const stop = new AbortController()
  const second = lanes.run(stop.signal, async () => 'second')
  const third = lanes.run(signal, async () => 'third')
  stop.abort(new Error('tired'))
  await expect(second).rejects.toThrow('tired')
  end.reject(new Error('broken'))
  await expect(first).rejects.toThrow('broken')
  expect(await third).toBe('third')
  expect(await lanes.run(signal, async () => 'fourth')).toBe('fourth')
})
