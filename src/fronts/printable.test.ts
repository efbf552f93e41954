import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printable } from './printable.ts'

test('nothing a guest writes can move the cursor, hide text or fake a log section', () => {
  expect(printable('\u001b[2J\u001b[31mred\u001b[0m')).toBe('red')
  expect(printable('a\rsection_start:1:x\r\u001b[0Kb')).toBe('a section_start:1:x b')
  expect(printable('\u001b]0;title\u0007after')).toBe('after')
  expect(printable('\u009b31mred')).toBe('red')
  expect(printable('abc\u202edef')).toBe('abc def')
  expect(printable('\u001b]8;;http://x\u001b\\link')).toBe('link')
})

test('no control character is left of any text, and lines are short', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cs}]/u)
      expect(printable(text).length).toBeLessThanOrEqual(301)
    }),
  )
})

test('ordinary text stays as it is', () => {
  expect(printable('[    0.1] EXT4-fs (vda1): größer — ok')).toBe('[    0.1] EXT4-fs (vda1): größer — ok')
})
