import { expect, test } from 'vitest'
import { roughly } from '../model/index.ts'
import { table } from './text.ts'

test('columns are as wide as their widest cell, colours not counted', () => {
  const text = table(
    ['a', 'name'],
    [
      ['\u001b[31mxxxx\u001b[39m', undefined],
      ['y', 'z'],
    ],
  )
  expect(text).toBe('A     NAME\n\u001b[31mxxxx\u001b[39m  -\ny     z\n')
})

test.each([
  [-5, '0 s'],
  [99_000, '99 s'],
  [100_000, '2 min'],
  [3 * 3_600_000, '3 h'],
  [80 * 3_600_000, '3 d'],
])('%i ms are roughly %s', (ms, text) => {
  expect(roughly(ms)).toBe(text)
})
