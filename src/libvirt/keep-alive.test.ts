import { expect, test } from 'vitest'
import { KeepAlive } from './keep-alive.ts'

function watched(count: number): { readonly keepAlive: KeepAlive; readonly log: string[] } {
  const log: string[] = []
  const keepAlive = new KeepAlive(
    { intervalMs: 1_000_000, count },
    () => log.push('ping'),
    () => log.push('dead'),
  )
  return { keepAlive, log }
}

test('a peer that stays silent is pinged `count` times, then given up', () => {
  const { keepAlive, log } = watched(3)
  for (let i = 0; i < 4; i++) keepAlive.tick()
  expect(log).toEqual(['ping', 'ping', 'ping', 'dead'])
})

test('any sign of life starts the count anew', () => {
  const { keepAlive, log } = watched(2)
  for (let i = 0; i < 20; i++) {
    keepAlive.tick()
    keepAlive.tick()
    keepAlive.heard()
  }
  expect(log).not.toContain('dead')
})

test('a peer that talks is not pinged', () => {
  const { keepAlive, log } = watched(2)
  for (let i = 0; i < 20; i++) {
    keepAlive.heard()
    keepAlive.tick()
  }
  expect(log).toEqual([])
})
