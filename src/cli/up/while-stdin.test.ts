import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { fakeCoordinator } from '../../../test/cli/fake-coordinator.ts'
import { connect } from '../../api/index.ts'
import { usersGone } from './while-stdin.ts'

const health = (waiting: number) => ({
  body: {
    version: '0',
    epoch: 1,
    database: 'd-01m88agpmehrw5jfn7d7wkxz3f',
    hosts: 1,
    leases: { waiting, granted: 0 },
    machines: 0,
  },
})

test('what a parent asked for with its last breath ends too, though it arrives after its end is known', async () => {
  await using coordinator = await fakeCoordinator({
    'DELETE /v1/leases/*': { status: 404, body: { code: 'not_found', args: { kind: 'lease', name: 'x' } } },
    'GET /v1/health': [health(1), health(1), health(0)],
  })
  const stdin = new PassThrough()
  stdin.end('run-a1b2c3\n')
  await usersGone(stdin, connect(coordinator.socket), new AbortController().signal)
  expect(coordinator.asked.filter((line) => line.startsWith('DELETE'))).toHaveLength(3)
})
