import { expect, test } from 'vitest'
import { errorTable, SlipwayError } from '../model/index.ts'
import { EXIT, exitCode } from './exit.ts'
import { failureLines, problemOf } from './failure.ts'

const stream = { ...process.stderr, isTTY: false } as unknown as NodeJS.WriteStream

test('a failure that a child printed as JSON is read back as the same failure', () => {
  for (const code of Object.keys(errorTable) as (keyof typeof errorTable)[]) {
    const error = new SlipwayError(code, { detail: 'why', limit: 3 })
    expect(problemOf(failureLines(error, { json: true, stream }).trim())).toEqual(error)
  }
})

test.each(['', 'text', '{}', '[]', 'null', '{"code":"nonsense","next":""}', '{"level":30,"msg":"x"}'])(
  'the log line %j is no failure',
  (line) => {
    expect(problemOf(line)).toBeUndefined()
  },
)

test('a command that passes its guest’s code has one code for all failures of ours', () => {
  for (const code of ['unreachable', 'no_capacity', 'not_found', 'bad_request'] as const) {
    expect(exitCode(new SlipwayError(code), { passesGuestCode: true })).toBe(EXIT.ownFailure)
  }
  expect(exitCode(new SlipwayError('cancelled'), { passesGuestCode: true })).toBe(EXIT.interrupted)
})

test('a bug shows where it is', () => {
  expect(failureLines(new Error('boo'), { json: false, stream })).toContain('failure.test.ts')
})

test('a bug that a child printed as JSON is told by its first line', () => {
  const line = failureLines(new Error('boo\nmore'), { json: true, stream }).trim()
  expect(problemOf(line)?.message).toContain('bug: Error: boo')
})
