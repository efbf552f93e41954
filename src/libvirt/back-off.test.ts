import { expect, test } from 'vitest'
import { backOffMs, failuresAfter } from './back-off.ts'

const backOff = { firstMs: 50, maxMs: 2_000 }

test('the pause doubles up to its maximum', () => {
  const pauses = [0, 1, 2, 3, 4, 5, 6, 7, 2_000].map((failures) => backOffMs(backOff, failures, 0))
  expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000])
})

test('chance shortens it by at most half', () => {
  expect(backOffMs(backOff, 10, 0.5)).toBe(1_500)
  expect(backOffMs(backOff, 10, 0.999_999)).toBeGreaterThan(1_000)
})

test('only a connection that lasted ends a row of failures', () => {
  expect(failuresAfter(backOff, 3, 0)).toBe(4)
  expect(failuresAfter(backOff, 3, 1_999)).toBe(4)
  expect(failuresAfter(backOff, 3, 2_000)).toBe(0)
})
