import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { eachLine, LINE_CHARS_MAX } from './recipe-run.ts'

async function lines(chunks: readonly string[]): Promise<readonly string[]> {
  const taken: string[] = []
  await eachLine(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), (line) => taken.push(line))
  return taken
}

it('a build speaks in lines, wherever its writes are cut', async () => {
  const text = 'step: one\nhello\n\nlast'
  for (let at = 0; at <= text.length; at++) {
    expect(await lines([text.slice(0, at), text.slice(at)])).toEqual(['step: one', 'hello', '', 'last'])
  }
})

it('no line is long, and none holds what a terminal would obey', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ maxLength: 900 }), { maxLength: 5 }), async (chunks) => {
      for (const line of await lines(chunks)) {
        expect(line.length).toBeLessThanOrEqual(LINE_CHARS_MAX)
        expect(line).not.toMatch(/\p{Cc}/u)
      }
    }),
  )
})

it('a line without end is not kept', async () => {
  const [line] = await lines(Array.from({ length: 50 }, () => 'x'.repeat(100_000)))
  expect(line).toBe('x'.repeat(LINE_CHARS_MAX))
})
