/** The agent on a simulated host, under a virtual clock; the test plays the coordinator. */
import { expect, it } from 'vitest'
import { DATABASE, facts, Line, machineOf, World } from '../../test/agent/world.ts'
import { sleep } from '../model/index.ts'
import { volatileMemory } from './memory.ts'

const [a, b, c] = [machineOf(1), machineOf(2), machineOf(3)]
const OTHER = `d-${'1'.repeat(26)}`

it('makes a wanted machine ready, reports its way in, and leaves nothing of it once it is unwanted', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(20_000)
  expect(line.story(a)).toEqual(['creating', 'ready'])
  const ready = line.last(a)
  expect(ready).toMatchObject({ state: 'ready', access: { user: 'root', port: 22 } })
  expect(ready?.timeline.map(({ step }) => step)).toEqual([
    ...[
      'turn',
      'cold',
      'overlay',
      'namespace',
      'domain',
      'started',
      'clone',
      'guest',
      'unique',
      'link',
      'ssh',
      'ready',
    ],
  ])
  line.want([])
  await world.pass(3_000)
  expect(line.story(a)).toEqual(['creating', 'ready', 'destroying', 'gone'])
  expect(world.things()).toEqual([])
  expect(await world.records.machines()).toEqual([])
})

it('logs a coordinator once, however often it is welcomed on one connection', async () => {
  const world = new World()
  await world.start()
  world.connect().welcome().welcome()
  await world.pass(1)
  world.connect().welcome()
  await world.pass(1)
  expect(world.events.filter(({ event }) => event === 'coordinator_connected')).toHaveLength(2)
})

it('coalesces what changes in one turn into one report, and tells it at once', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  await world.pass(1)
  const before = line.heard.length
  line.want([a, b, c])
  await world.pass(1)
  const news = line.heard.slice(before)
  expect(news).toHaveLength(1)
  expect(news[0]).toMatchObject({ type: 'report', full: false, stamp: { epoch: 1, generation: 1 } })
  expect(news[0]?.type === 'report' && news[0].machines).toHaveLength(3)
})

it('makes a burst slowly instead of late: so many at once, all of them ready in the end', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  const machines = Array.from({ length: 30 }, (_, n) => machineOf(n))
  line.want(machines)
  let most = 0
  for (let second = 0; second < 200; second++) {
    await world.pass(1_000)
    const booting = world.host.things().filter((thing) => thing.kind === 'namespace' && thing.link === 'down')
    most = Math.max(most, booting.length)
  }
  expect(most).toBe(2)
  for (const machine of machines) expect(line.story(machine)).toEqual(['creating', 'ready'])
})

it('gives up a creation whose machine leaves the wanted set, wherever it stands', async () => {
  for (let cutMs = 0; cutMs < 6_000; cutMs += 130) {
    const world = new World()
    await world.start()
    const line = world.connect().welcome()
    line.want([a])
    await world.pass(cutMs)
    line.want([])
    await world.pass(3_000)
    expect(line.story(a).at(-1), `cut after ${cutMs} ms`).toBe('gone')
    expect(world.things()).toEqual([])
    expect(await world.records.machines()).toEqual([])
  }
})

it('destroys nothing before the first wanted set, and refuses a lower stamp', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  line.want([a], { stamp: { epoch: 5, generation: 5 } })
  await world.pass(10_000)
  line.want([], { stamp: { epoch: 5, generation: 4 } })
  line.want([], { stamp: { epoch: 4, generation: 9 } })
  await world.pass(60_000)
  expect(line.story(a)).toEqual(['creating', 'ready'])

  world.agent = world.newAgent()
  await world.start()
  const next = world.connect().welcome(DATABASE, 5)
  await world.pass(60_000)
  next.want([], { stamp: { epoch: 5, generation: 4 } })
  await world.pass(60_000)
  expect(next.story(a)).toEqual(['ready'])
  next.want([], { stamp: { epoch: 5, generation: 5 } })
  await world.pass(5_000)
  expect(next.story(a).at(-1)).toBe('gone')
})

it('obeys one database: another is refused, and nothing it wants is done', async () => {
  const world = new World()
  await world.start()
  world.connect().welcome().want([a])
  await world.pass(10_000)
  const other = world.connect().welcome(OTHER, 9)
  other.want([b], { stamp: { epoch: 9, generation: 1 } })
  await world.pass(30_000)
  expect(other.heard.every(({ type }) => type === 'hello')).toBe(true)
  expect(other.story(a)).toEqual(['ready'])
  expect(other.story(b)).toEqual([])
  expect(world.events.filter(({ event }) => event === 'refused')[0]?.fields.code).toBe('other_database')
})

it('says hello again until it is welcomed: the greeting may be lost', async () => {
  const world = new World()
  await world.start()
  const line = world.connect()
  line.want([a])
  await world.pass(5_000)
  expect(line.heard.map(({ type }) => type)).toEqual(['hello', 'hello', 'hello'])
  line.welcome().want([a])
  await world.pass(10_000)
  expect(line.story(a)).toEqual(['creating', 'ready'])
})

it('works on while the coordinator is away: creations finish, machines are kept and pinged', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(10)
  line.close()
  await world.pass(60_000)
  world.host.setHypervisor('down')
  await world.pass(20_000)
  const next = world.connect()
  await world.pass(1)
  expect(next.story(a)).toEqual(['suspect'])
  world.host.setHypervisor('up')
  await world.pass(20_000)
  expect(next.story(a)).toEqual(['suspect', 'ready'])
})

it('suspects a machine at the first missed ping and clears it at the next answer', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(20_000)
  world.host.setHypervisor('down')
  await world.pass(21_000)
  expect(line.last(a)).toMatchObject({ state: 'suspect', failure: { code: 'hypervisor_down' } })
  world.host.setHypervisor('up')
  await world.pass(21_000)
  expect(line.story(a)).toEqual(['creating', 'ready', 'suspect', 'ready'])
})

it("calls a guest that powers itself off the job's failure, and a crash the system's", async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  line.want([a, b])
  await world.pass(20_000)
  world.endGuest(a, 'stopped')
  world.endGuest(b, 'crashed')
  await world.pass(1_000)
  expect(line.last(a)).toMatchObject({ state: 'lost', failure: { code: 'machine_stopped' } })
  expect(line.last(b)).toMatchObject({ state: 'lost', failure: { code: 'machine_lost' } })
  expect(line.last(b)).toMatchObject({ consoleTail: [`booting ${b}`, 'login:'] })
  await world.pass(2_000)
  expect(world.things()).toEqual([])
  line.want([a, b], { made: true })
  await world.pass(60_000)
  expect(line.story(a)).toEqual(['creating', 'ready', 'lost'])

  world.agent = world.newAgent()
  await world.start()
  const next = world.connect()
  await world.pass(1)
  expect(next.last(a)).toMatchObject({ state: 'lost', failure: { code: 'machine_stopped' } })
})

it('reports a machine that was made and has no trace as lost, and never makes it again', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  line.want([a], { made: true })
  await world.pass(60_000)
  expect(line.story(a)).toEqual(['lost'])
  expect(world.things()).toEqual([])
})

it('after a restart it reports what runs with its key, and destroys what was half made', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(20_000)
  line.want([a, b])
  await world.pass(300)
  const before = line.last(a)
  await world.settle(world.agent.stop('keep'))

  world.agent = world.newAgent()
  const startMs = world.clock.now()
  await world.start()
  expect(world.clock.now() - startMs).toBeLessThan(5_000)
  const next = world.connect()
  await world.pass(1)
  expect(next.last(a)).toEqual(before)
  next.welcome().want([a, b], { stamp: { epoch: 1, generation: 3 } })
  await world.pass(20_000)
  expect(next.story(a)).toEqual(['ready'])
  expect(next.story(b).at(-1)).toBe('ready')
  expect(next.story(b)).not.toContain('gone')
})

it('reaps resources without a record when seen twice, and no name that is not ours', async () => {
  const world = new World()
  const decoy = { kind: 'namespace', name: `slw.other.${c}`, link: 'up' } as const
  world.host.put(decoy)
  await world.start()
  const line = world.connect().welcome()
  await world.pass(5_000)
  world.host.put({ kind: 'namespace', name: `slw.local.${b}`, link: 'up' })
  await world.pass(60_000)
  expect(world.things()).toHaveLength(2)
  line.want([])
  await world.pass(25_000)
  expect(world.things()).toEqual([`namespace ${decoy.name}`])
})

it('says which step failed and what the console showed, with nothing left behind', async () => {
  const expected = {
    silent: 'guest_silent',
    lies: 'host_key_mismatch',
    malformed: 'guest_misbehaved',
    floods: 'guest_misbehaved',
    refuses: 'guest_misbehaved',
    stops: 'create_failed',
    crashes: 'create_failed',
    shut: 'timed_out',
  } as const
  for (const [behaviour, code] of Object.entries(expected)) {
    const world = new World()
    world.behaviours.set(a, behaviour as keyof typeof expected)
    await world.start()
    const line = world.connect().welcome()
    line.want([a])
    await world.pass(120_000)
    expect([behaviour, line.last(a)]).toMatchObject([behaviour, { state: 'failed', failure: { code } }])
    expect(line.story(a)).toEqual(['creating', 'failed'])
    expect(world.things()).toEqual([])
    line.want([])
    await world.pass(2_000)
    expect(line.story(a).at(-1)).toBe('gone')
  }
})

const SLOW_LOOK_MS = 8_000

it('answers an audit whose look took long without blaming what came and went meanwhile', async () => {
  const world = new World((driver, clock) => ({
    driver: {
      ...driver,
      list: async () => {
        const found = await driver.list()
        await sleep(clock, SLOW_LOOK_MS)
        return found
      },
    },
  }))
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(20_000)
  expect(line.last(a)).toMatchObject({ state: 'ready' })
  line.say({ type: 'ask', ask: 'slow', question: { kind: 'audit' } })
  line.want([b])
  await world.pass(SLOW_LOOK_MS - 1)
  expect([line.story(a).at(-1), line.story(b).at(-1)]).toEqual(['gone', 'ready'])
  await world.pass(1_000)
  const answer = line.heard.find((frame) => frame.type === 'answer' && frame.ask === 'slow')
  expect(answer).toMatchObject({ result: { kind: 'audit', findings: [] } })
})

it('answers an audit, and calls neither what is being made nor what is being removed a leak', async () => {
  const world = new World()
  await world.start()
  const line = world.connect().welcome()
  const ask = async (id: string) => {
    line.say({ type: 'ask', ask: id, question: { kind: 'audit' } })
    await world.pass(200)
    return line.heard.find((frame) => frame.type === 'answer' && frame.ask === id)
  }
  line.want([a])
  await world.pass(100)
  expect(await ask('making')).toMatchObject({ result: { kind: 'audit', findings: [] } })
  await world.pass(20_000)
  line.want([])
  await world.pass(1)
  expect(await ask('removing')).toMatchObject({ result: { findings: [] } })
  await world.pass(5_000)
  world.host.put({ kind: 'namespace', name: `slw.local.${b}`, link: 'up' })
  expect(await ask('leak')).toMatchObject({
    result: { findings: [{ kind: 'namespace', problem: 'unwanted', machine: b }] },
  })
})

it('stopped with destroy it leaves nothing, not even what the driver keeps', async () => {
  const world = new World()
  await world.settle(world.driver.prepare({ signal: new AbortController().signal }))
  await world.start()
  world.connect().welcome().want([a, b])
  await world.pass(20_000)
  await world.settle(world.agent.stop('destroy'))
  expect(world.host.things()).toEqual([])
  await world.agent.done
})

it('told to stop while it writes down what it is to want, it wants nothing', async () => {
  const kept = volatileMemory()
  const world = new World((_, clock) => ({
    memory: { ...kept, save: (allegiance) => sleep(clock, 50).then(() => kept.save(allegiance)) },
  }))
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(20_000)
  line.want([a])
  await world.pass(10)
  await world.settle(world.agent.stop('destroy'))
  expect(world.things()).toEqual([])
})

it('keeps trying to remove what will not go', async () => {
  const world = new World()
  await world.start()
  const line = new Line(world.agent).welcome()
  line.want([a])
  await world.pass(20_000)
  world.host.setHypervisor('down')
  line.want([])
  await world.pass(30_000)
  expect(line.story(a).at(-1)).toBe('destroying')
  world.host.setHypervisor('up')
  await world.pass(5_000)
  expect(line.story(a).at(-1)).toBe('gone')
})

it('hears nothing on a connection that another one has replaced', async () => {
  const world = new World()
  await world.start()
  const old = world.connect().welcome()
  await world.pass(1)
  const line = world.connect().welcome()
  line.want([a], { stamp: { epoch: 1, generation: 5 } })
  await world.pass(20_000)
  old.want([], { stamp: { epoch: 1, generation: 6 } })
  old.close()
  await world.pass(5_000)
  expect(line.story(a)).toEqual(['creating', 'ready'])
})

it('takes no machine away from under a making that is slow to end', async () => {
  const log: string[] = []
  const world = new World((driver, clock) => ({
    driver: {
      ...driver,
      async clone(request) {
        await new Promise((resolve) => request.signal.addEventListener('abort', resolve))
        await sleep(clock, 3_000)
        log.push('making ended')
        throw request.signal.reason
      },
      async destroy() {
        log.push('destroyed')
      },
    },
  }))
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(1_000)
  line.want([])
  await world.pass(2_000)
  expect(log).toEqual([])
  await world.pass(2_000)
  expect(log).toEqual(['making ended', 'destroyed'])
})

it('destroys under a making that does not end at all', async () => {
  const world = new World((driver) => ({
    driver: { ...driver, clone: () => new Promise<never>(() => undefined) },
  }))
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(1_000)
  line.want([])
  await world.pass(12_000)
  expect(line.story(a)).toEqual(['creating', 'destroying', 'gone'])
})

it('reports a failure when its resources are gone, a loss at once', async () => {
  let stuck = true
  const world = new World((driver) => ({
    driver: {
      ...driver,
      destroy: (machine) => (stuck ? Promise.reject(new Error('stuck')) : driver.destroy(machine)),
    },
  }))
  world.behaviours.set(a, 'refuses')
  await world.start()
  const line = world.connect().welcome()
  line.want([a, b])
  await world.pass(30_000)
  world.endGuest(b, 'crashed')
  await world.pass(2_000)
  expect([line.story(a), line.story(b)]).toEqual([['creating'], ['creating', 'ready', 'lost']])
  stuck = false
  await world.pass(5_000)
  expect(line.story(a)).toEqual(['creating', 'failed'])
  expect(world.things()).toEqual([])
})

it('reports a machine lost whose guest ended while no agent ran', async () => {
  const world = new World()
  await world.start()
  world.connect().welcome().want([a])
  await world.pass(20_000)
  await world.settle(world.agent.stop('keep'))
  world.endGuest(a, 'stopped')
  world.agent = world.newAgent()
  await world.start()
  const next = world.connect()
  await world.pass(1)
  expect(next.last(a)).toMatchObject({ state: 'lost', failure: { code: 'machine_lost' } })
})

it('makes no machine without hardware virtualization for a flavor that wants it', async () => {
  const world = new World(() => ({ facts: async () => ({ ...facts, acceleration: 'emulated' }) }))
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  line.want([b], { spec: { allowEmulation: false } })
  await world.pass(20_000)
  expect(line.last(b)).toMatchObject({
    state: 'failed',
    failure: { code: 'create_failed', args: { step: 'host' } },
  })
})

it('acts on no wanted set that it cannot remember, and on the next that it can', async () => {
  let full = true
  const world = new World()
  const save = world.ports.memory.save
  world.ports.memory.save = async (allegiance) => {
    if (full) throw new Error('ENOSPC')
    return save(allegiance)
  }
  await world.start()
  const line = world.connect().welcome()
  line.want([a])
  await world.pass(10_000)
  expect(line.story(a)).toEqual([])
  full = false
  line.welcome().want([a])
  await world.pass(10_000)
  expect(line.story(a)).toEqual(['creating', 'ready'])
})

it('remembers once what many wanted sets at once come down to', async () => {
  const world = new World()
  const save = world.ports.memory.save
  const saved: number[] = []
  world.ports.memory.save = async (allegiance) => {
    saved.push(allegiance.stamp.generation)
    return save(allegiance)
  }
  await world.start()
  const line = world.connect().welcome()
  await world.pass(1)
  for (let n = 0; n < 50; n++) line.want(n % 2 === 0 ? [a] : [a, b])
  await world.pass(20_000)
  expect(saved).toEqual([0, 50])
  expect([line.story(a), line.story(b)]).toEqual([
    ['creating', 'ready'],
    ['creating', 'ready'],
  ])
})
