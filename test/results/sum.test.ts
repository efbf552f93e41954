import { expect, test } from 'vitest'
import { closingLine, type Report, skipReasons, sum } from './sum.ts'

const report = (status: string, ...tests: readonly string[]): Report => ({
  testResults: [
    { name: 'a', status, assertionResults: tests.map((test) => ({ status: test, fullName: test })) },
  ],
})

test('tests and checks are counted together', () => {
  const total = sum(['passed types', 'failed style', ''], [report('failed', 'passed', 'failed', 'skipped')])
  expect(closingLine(total)).toBe('2 passed, 2 failed, 1 skipped')
})

test('a test file that could not be loaded is a failure', () => {
  expect(sum([], [report('failed')]).failed).toBe(1)
})

test('each reason for skipping is told once', () => {
  expect(skipReasons('x\nSKIPPED: no runner\nSKIPPED: no runner \nSKIPPED: no image')).toEqual([
    'no runner',
    'no image',
  ])
})
