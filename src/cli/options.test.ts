import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Options, parseDurationMs } from './options.ts'

test.each([
  ['500ms', 500],
  ['90s', 90_000],
  ['2m', 120_000],
  ['1h', 3_600_000],
])('%s is %i ms', (text, ms) => {
  expect(parseDurationMs(text, '--timeout')).toBe(ms)
})

test('what is no time is refused with the option’s name', () => {
  const anything = fc.string().filter((text) => !/^\d{1,6}(ms|s|m|h)$/.test(text))
  fc.assert(
    fc.property(anything, (text) => {
      expect(() => parseDurationMs(text, '--timeout')).toThrow('--timeout takes a time')
    }),
  )
})

test('a count that is none is refused with the option as it is written', () => {
  expect(() => new Options({ leasesMax: '-1' }).count('leasesMax')).toThrow('--leases-max takes a number')
})
