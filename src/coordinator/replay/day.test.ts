/** A whole day at the size that people ask about. Processor time is measured: the machine may be busy with other tests. */
import { expect, test } from 'vitest'
import { drawnDay } from '../../../test/policy/day.ts'
import { parseId } from '../../model/index.ts'
import { parseConfig } from '../config.ts'
import { type Replay, replay } from './replay.ts'

const PLAY_MS_MAX = 10_000
const debian = parseId('FlavorName', 'debian')
const POLICY = `
  [[flavor]]
  name = "debian"
  image = "debian"
  limit = 800
  idle_count = 40
  idle_count_min = 5
  idle_scale_factor = 0.3
  idle_time_s = 600
  max_growth_rate = 50
  [[flavor.autoscaling]]
  periods = ["* * 0-6 * * * *", "* * * * * sat,sun *"]
  timezone = "Europe/Berlin"
  idle_count = 2
  idle_time_s = 60`

test('24 hours with 50,000 jobs are played in less than 10 s', { timeout: 120_000 }, () => {
  const { flavors, policies } = parseConfig(POLICY, 'f')
  const day: Replay = {
    jobs: drawnDay({ count: 50_000, seed: 1, flavor: debian }),
    flavors,
    policies,
    hosts: [{ host: parseId('HostId', 'h1'), capacity: { vcpus: 1e6, memoryMiB: 1e9, diskMiB: 1e9 } }],
    makingMs: 3_000,
    goingMs: 1_000,
  }
  const before = process.threadCpuUsage()
  const {
    flavors: [played],
    unserved,
  } = replay(day)
  const { user, system } = process.threadCpuUsage(before)
  expect((user + system) / 1_000).toBeLessThan(PLAY_MS_MAX)
  expect(unserved).toBe(0)
  // The same as in any other run: nothing in it is left to chance.
  expect(played).toMatchObject({
    jobs: 50_000,
    atOnce: 42_596,
    machinesMax: 564,
    waitMs: { p50: 0, p95: 2_000 },
  })
})
