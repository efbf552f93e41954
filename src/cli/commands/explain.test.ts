import { expect, test } from 'vitest'
import type { LeaseView } from '../../api/index.ts'
import { parseId } from '../../model/index.ts'
import { explanation } from './explain.ts'

const NOW = 1_000_000
const view = (waiting: NonNullable<LeaseView['waiting']>): LeaseView => ({
  id: parseId('LeaseId', `l-${'0'.repeat(26)}`),
  name: parseId('LeaseName', 'job-1'),
  runner: 'shop',
  trustDomain: parseId('TrustDomain', 'default'),
  flavor: parseId('FlavorName', 'debian'),
  state: 'waiting',
  ttlMs: 60_000,
  askedAtMs: NOW - 30_000,
  waiting,
})

test('a lease that waits is explained: place, time, reason and what to do', () => {
  const reason = { code: 'growth_limited', args: { flavor: 'debian' } } as const
  expect(explanation(view({ position: 3, making: 2, estimateMs: 130_000, reason }), NOW)).toEqual([
    'lease job-1 of shop: waiting',
    '  asked for flavor debian, 30 s ago',
    '  waits at position 3, 2 machines in the making',
    '  about 2 min to go, as machines and jobs have lately been',
    '  because flavor debian makes no more machines at a time (growth_limited)',
    '  next: wait, or raise its max_growth_rate or scale_throttle',
  ])
})

test('one whose machine is on its way is told that, and that nobody knows how long', () => {
  expect(explanation(view({ position: 1, making: 1 }), NOW).slice(2)).toEqual([
    '  waits at position 1, 1 machine in the making',
    '  how long is unknown: too little was seen of such machines and jobs lately',
    '  because its machine is being made',
  ])
})
