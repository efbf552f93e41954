/**
 * `kill -9` of every part, alone and together, while a machine is in each of its states: named, at each step of its
 * making, idle, leased, released, and at each step of its removal. One Slipway with real parts bears them all. A command
 * runs in a machine from the first kill to the last, and ends as it would have: a lease of a living machine is kept.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Started } from '../up/instance.ts'
import { Stand } from './stand.ts'

const root = process.getuid?.() === 0
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

/** Steps that only name what was just done: nothing lies between one of these and the step before it. */
const WORDS = ['warm', 'clone', 'ready']
/** Of a removal: all is still there, the disk goes, the last of it goes, only the record is left. */
const REMOVAL = ['destroy', 'disk goes', 'slot goes', 'destroyed']

describe.skipIf(!root)('kill -9', () => {
  let stand: Stand
  let keeper: Started
  let kept = ''
  /** Of a making, by the timeline of one. */
  let making: readonly string[] = []

  beforeAll(async () => {
    stand = new Stand()
    await stand.up()
    const { machine, timeline } = await stand.ready()
    kept = machine
    keeper = stand.run('sh', '-c', 'read line; exit 4')
    await vi.waitFor(() => expect(keeper.stderr()).toContain('is ready on host'), 60_000)
    const steps = timeline.map(({ step }) => step)
    making = [...steps.filter((step) => !WORDS.includes(step)), 'recorded']
  })
  afterEach(() => stand.unhalt())
  afterAll(() => stand?.end())

  /** Each case says where it failed, and what Slipway said. */
  async function at(point: string, held: () => Promise<void>): Promise<void> {
    try {
      await held()
      const machines = await stand.machines()
      expect(machines.find(({ machine }) => machine === kept)).toMatchObject({ state: 'leased' })
    } catch (cause) {
      throw new Error(`${point}: ${cause instanceof Error ? cause.message : cause}\n${stand.log}`, { cause })
    }
  }

  test('the making is the one that is known here', () => {
    expect(making).toEqual(expect.arrayContaining(['turn', 'namespace', 'overlay', 'domain', 'confined']))
    expect(making).toEqual(expect.arrayContaining(['started', 'guest', 'unique', 'link', 'ssh', 'recorded']))
  })

  test.each([[['agent']], [['agent', 'coordinator']]] as const)(
    'of %j at each step of a making and a removal: in control in time, and what was half made is made anew',
    async (parts) => {
      const points = [...making, ...REMOVAL]
      for (const [n, point] of points.entries()) {
        await at(point, async () => {
          await stand.haltAt(point)
          stand.halt(points[n + 1] ?? 'nowhere')
          await stand.kill(...parts)
        })
      }
      await stand.isWell()
    },
  )

  test('of the coordinator, then of libvirtd, at each step: in control in time, and the machine is made', async () => {
    for (const point of [...making, ...REMOVAL]) {
      await at(point, async () => {
        await stand.haltAt(point)
        await stand.kill('coordinator')
        const machine = await stand.inTheMaking()
        const back = stand.kill('libvirtd')
        stand.resume()
        await back
        if (machine !== undefined) expect((await stand.ready()).machine).toBe(machine)
      })
    }
    await stand.isWell()
  })

  test('of a QEMU at each step from which there is one: it is gone, and another machine is made', async () => {
    const hit: string[] = []
    for (const point of making) {
      await at(point, async () => {
        await stand.haltAt(point)
        const machine = await stand.inTheMaking()
        if (machine === undefined) throw new Error('no machine is in the making')
        const killed = stand.hasQemu(machine)
        if (killed) stand.killQemu(machine)
        stand.resume()
        if (killed) await stand.goneIs(machine)
        if (killed) hit.push(point)
        await stand.ready()
      })
    }
    expect(hit).toEqual(making.slice(making.indexOf('domain')))
    await stand.isWell()
  })

  const parts = [[['agent']], [['coordinator']], [['agent', 'coordinator']], [['libvirtd']]] as const

  test.each(parts)('of %j while a machine is idle: it stays', async (parts) => {
    const { machine } = await stand.ready()
    await stand.kill(...parts)
    await stand.isWell()
    expect((await stand.ready()).machine).toBe(machine)
  })

  test('of an idle machine’s QEMU: another one takes its place', async () => {
    const { machine } = await stand.ready()
    stand.killQemu(machine)
    await stand.goneIs(machine)
    await stand.isWell()
  })

  test.each([...parts, [['qemu']]] as const)(
    'of %j while one machine is released and another is only named: the one goes, the other is made',
    async (parts) => {
      const { machine: released } = await stand.ready()
      stand.freeze()
      expect(await stand.run('true').ended).toMatchObject({ code: 0 })
      const waiting = stand.run('true')
      await vi.waitFor(async () => {
        const states = (await stand.machines()).map(({ machine, state }) => ({ machine, state }))
        expect(states).toContainEqual({ machine: released, state: 'doomed' })
        expect(states).toContainEqual({ machine: expect.anything(), state: 'named' })
      }, 20_000)
      const [first, ...more] = parts
      if (first === 'qemu') stand.killQemu(released)
      const back = first === 'qemu' ? undefined : stand.kill(first, ...more)
      stand.resume()
      await back
      await stand.goneIs(released)
      expect(await waiting.ended).toMatchObject({ code: 0 })
      await stand.isWell()
    },
  )

  test.each([[[]], ...parts] as const)(
    'of its QEMU, and of %j, while a machine is leased: our failure, and not the command’s',
    async (parts) => {
      await stand.ready()
      const run = stand.run('sleep', '600')
      await vi.waitFor(() => expect(run.stderr()).toContain('is ready on host'), 20_000)
      const [, machine = ''] = /machine (m-\w+) is ready/.exec(run.stderr()) ?? []
      const back = stand.kill(...parts)
      stand.killQemu(machine)
      expect(await run.ended).toEqual({ code: 125, signal: null })
      await back
      await stand.goneIs(machine)
      expect(run.stderr()).toMatch(/\((machine_lost|ssh_failed)\)/)
      await stand.isWell()
    },
  )

  test('after all of them, the command that ran meanwhile ends as it would have', async () => {
    keeper.child.stdin?.end('go\n')
    expect(await keeper.ended, keeper.stderr()).toEqual({ code: 4, signal: null })
    await stand.goneIs(kept)
    await stand.isWell()
    console.info('out of control for at most, ms:', Object.fromEntries(stand.slowestMs))
  })
})
