import { expect, test } from 'vitest'
import { parseId } from '../../model/index.ts'
import { endLines, waitingLine } from './report.ts'

test('a failed machine is told with its code, its timeline in ms and its last console lines', () => {
  const failure = { code: 'guest_silent', args: { machine: 'm-1', deadlineMs: 60_000 } } as const
  const view = {
    timeline: [
      { step: 'overlay', atMs: 12.4 },
      { step: 'boot', atMs: 1_200 },
    ],
    consoleTail: ['Kernel panic', '\u001b[31mend'],
  }
  expect(endLines(failure, view)).toEqual([
    'error guest_silent: the guest of m-1 did not answer within 60000 ms',
    '  next: see its console: does the image boot, with the guest kit in it?',
    'timeline of the machine:',
    '      12 ms  overlay',
    '    1200 ms  boot',
    'last lines of its console:',
    '  | Kernel panic',
    '  | end',
  ])
})

test('a waiting job is told its place and why', () => {
  const flavor = parseId('FlavorName', 'large')
  const reason = { code: 'no_capacity', args: { flavor: 'large', detail: 'memory' } } as const
  expect(waitingLine({ flavor, waiting: { position: 3, making: 1, reason } })).toBe(
    'waiting for a machine of flavor large, position 3, 1 in the making, ' +
      'no_capacity: no host has room for flavor large: memory; how long is unknown',
  )
  expect(waitingLine({ flavor, waiting: { position: 1, making: 1, estimateMs: 130_000 } })).toBe(
    'waiting for a machine of flavor large, position 1, 1 in the making; about 2 min to go',
  )
})
