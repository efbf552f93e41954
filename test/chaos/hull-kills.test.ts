/**
 * `kill -9` of what makes, keeps and launches hulls. The flavor keeps no idle machine, so that each job's is launched:
 * whatever was killed, the job has a machine, and nothing but the next hull is left.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { Stand } from './stand.ts'

const root = process.getuid?.() === 0
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

describe.skipIf(!root)('kill -9', () => {
  let stand: Stand

  beforeAll(async () => {
    stand = new Stand({ idle: 0, agentToml: '[templates]\nhulls = 1\n' })
    await stand.up()
    expect(await stand.run('true').ended).toMatchObject({ code: 0 })
  })
  afterEach(async () => {
    stand.unhalt()
    await stand.isWell()
  })
  afterAll(() => stand?.end())

  /** A job has a machine, and it is this one. */
  async function launches(hull: string): Promise<void> {
    const run = stand.run('true')
    expect(await run.ended, run.stderr()).toMatchObject({ code: 0 })
    expect(run.stderr()).toContain(`machine ${hull} is ready`)
  }

  test('of the agent while a hull is in stock: the next agent removes it, and makes its own', async () => {
    const hull = await stand.hull()
    await stand.kill('agent')
    await stand.goneIs(hull)
    const next = await stand.hull()
    expect(next).not.toBe(hull)
    await launches(next)
  })

  test('of libvirtd while a hull is in stock: a job is launched from it', async () => {
    const hull = await stand.hull()
    await stand.kill('libvirtd')
    await launches(hull)
  })

  test('of the coordinator while a hull is in stock: the next coordinator hears of it', async () => {
    const hull = await stand.hull()
    await stand.kill('coordinator')
    expect(await stand.hull()).toBe(hull)
    await launches(hull)
  })

  test('of a hull’s QEMU: its machine is made from nothing', async () => {
    const hull = await stand.hull()
    stand.killQemu(hull)
    await launches(hull)
  })

  test.each(['hull', 'confined', 'started'])(
    'of the agent after step %s of a launch: the job has another machine',
    async (step) => {
      const hull = await stand.hull()
      stand.halt(step)
      const run = stand.run('true')
      await stand.standsAt(step)
      await stand.kill('agent')
      stand.unhalt()
      expect(await run.ended, run.stderr()).toMatchObject({ code: 0 })
      await stand.goneIs(hull)
    },
  )

  test('of the agent while it makes a hull: nothing of it is left', async () => {
    const first = await stand.hull()
    stand.halt('hull is there')
    await launches(first)
    await stand.standsAt('hull is there')
    const half = stand.guests().find((guest) => guest !== first)
    if (half === undefined) throw new Error('no hull was being made')
    await stand.kill('agent')
    stand.unhalt()
    await stand.goneIs(half)
    await launches(await stand.hull())
  })
})
