import fc from 'fast-check'
import { expect, test } from 'vitest'
import { escapeFilter } from './escape.ts'

const typed = (...chunks: readonly string[]) => {
  const filter = escapeFilter()
  let send = ''
  for (const chunk of chunks) {
    const answer = filter(chunk)
    send += answer.send
    if (answer.left) return { send, left: true }
  }
  return { send, left: false }
}

test.each([
  ['~.', '', true],
  ['ls\r~.', 'ls\r', true],
  ['ls~.', 'ls~.', false],
  ['\n~~.', '\n~.', false],
  ['\r~x', '\r~x', false],
  ['~', '', false],
])('%j sends %j', (text, send, left) => {
  expect(typed(text)).toEqual({ send, left })
})

test('how the keys are cut into chunks makes no difference', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('~', '.', '\r', 'a') }), (text) => {
      expect(typed(...text)).toEqual(typed(text))
    }),
  )
})
