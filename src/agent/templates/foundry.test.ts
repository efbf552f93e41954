/** The agent with templates, on a simulated host: what it builds, clones from, falls back to and lets go of. */
import { expect, test } from 'vitest'
import { anySpec, HOST, Line, machineOf, World } from '../../../test/agent/world.ts'
import { anyImage } from '../../../test/conformance/image.ts'
import {
  type HostTemplate,
  hullsIn,
  type MachineId,
  parseId,
  shapeOf,
  type TemplateId,
  type TemplateShape,
} from '../../model/index.ts'
import { Agent } from '../agent.ts'
import { resourceName } from '../drivers/resource-name.ts'

const AGE_MS_MAX = 600_000

const RESERVATION = parseId('ReservationId', `r-${'0'.repeat(26)}`)
const SHAPE = shapeOf(anySpec)

/** A coordinator that wants templates with every set; `reserved` is what it has room for. */
class WarmLine extends Line {
  reserved: TemplateShape | undefined = SHAPE

  override say(frame: Parameters<Line['say']>[0]): void {
    const templates = [{ shape: SHAPE, ...(this.reserved && { reservation: RESERVATION }) }]
    super.say(frame.type === 'wanted' ? { templates, ...frame } : frame)
  }
}

class WarmWorld extends World {
  constructor(spoil?: ConstructorParameters<typeof World>[0]) {
    super((driver, clock) => ({
      images: {
        list: async () => [{ ...anyImage, diskMiB: 1 }],
        find: async () => ({ manifest: anyImage, disk: '/nowhere' }),
      },
      ...spoil?.(driver, clock),
    }))
  }

  override newAgent(): Agent {
    const templates = { ageMsMax: AGE_MS_MAX, diskMiBMax: 10_000, hulls: 1 }
    return new Agent(this.ports, { host: HOST, clonesAtOnce: 2, bootMs: 30_000, templates })
  }

  override connect(): WarmLine {
    return new WarmLine(this.agent)
  }

  /** As the last full report says. */
  templatesOf(line: ReturnType<World['connect']>): readonly HostTemplate[] {
    const facts = line.heard.flatMap((frame) => ('facts' in frame && frame.facts ? [frame.facts] : []))
    return facts.at(-1)?.templates ?? []
  }

  stepsOf(line: ReturnType<World['connect']>, machine: MachineId): readonly string[] {
    return line.last(machine)?.timeline.map(({ step }) => step) ?? []
  }

  happened(event: string): number {
    return this.events.filter((one) => one.event === event).length
  }
}

/** A started agent that has made one machine cold, and a template of it since. */
async function warmed(world = new WarmWorld()) {
  await world.start()
  const line = world.connect().welcome()
  line.want([machineOf(1)])
  await world.pass(60_000)
  return { world, line }
}

test('builds a template that is wanted, and clones the next machine from it', async () => {
  const { world, line } = await warmed()
  expect(world.stepsOf(line, machineOf(1))).toContain('cold')
  expect(world.templatesOf(line)).toMatchObject([{ state: 'ready', clones: 0, mode: 'shared-memory' }])
  line.want([machineOf(1), machineOf(2)])
  await world.pass(10_000)
  expect(line.story(machineOf(2)).at(-1)).toBe('ready')
  expect(world.stepsOf(line, machineOf(2))).toContain('warm')
  expect(world.templatesOf(line)).toMatchObject([{ state: 'ready', clones: 1 }])
})

test('says how far a build is, and reports nothing else of the machine that is frozen', async () => {
  const world = new WarmWorld()
  await world.start()
  const line = world.connect().welcome()
  line.want([machineOf(1)])
  const seen: number[] = []
  for (let n = 0; n < 200; n++) {
    await world.pass(200)
    for (const template of world.templatesOf(line))
      if (template.state === 'building') seen.push(template.progressPercent)
  }
  expect(seen.length).toBeGreaterThan(1)
  expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  expect(line.heard.flatMap((frame) => ('machines' in frame ? frame.machines : []))).toSatisfy(
    (all: { machine: MachineId }[]) => all.every(({ machine }) => machine === machineOf(1)),
  )
})

test('waits for its room, and says so', async () => {
  const world = new WarmWorld()
  await world.start()
  const line = world.connect().welcome()
  line.reserved = undefined
  line.want([])
  await world.pass(60_000)
  expect(world.templatesOf(line)).toMatchObject([{ state: 'waiting', reason: 'room', shape: SHAPE }])
})

test('says of what this host cannot make that it cannot', async () => {
  const world = new WarmWorld()
  world.host.cloning = 'cold'
  await world.start()
  const line = world.connect().welcome()
  line.want([])
  await world.pass(10_000)
  expect(world.templatesOf(line)).toMatchObject([{ state: 'waiting', reason: 'unable' }])
})

test('gives a build up once its room is reserved no more, and says so when nothing of it is left', async () => {
  const world = new WarmWorld()
  await world.start()
  const line = world.connect().welcome()
  line.want([])
  await world.pass(5_000)
  expect(world.templatesOf(line)).toMatchObject([{ state: 'building' }])
  line.reserved = undefined
  const stamp = line.want([])
  await world.pass(10_000)
  expect(world.happened('template_made_way')).toBe(1)
  expect(world.things().filter((thing) => thing.includes('m-z'))).toEqual([])
  expect(world.templatesOf(line)).toMatchObject([{ state: 'waiting', reason: 'room' }])
  expect(line.heard.at(-1)).toMatchObject({ stamp })
  line.reserved = SHAPE
  line.want([])
  await world.pass(60_000)
  expect(world.templatesOf(line)).toMatchObject([{ state: 'ready' }])
})

test('between two conversations no build is begun, and one under way goes on', async () => {
  const world = new WarmWorld()
  await world.start()
  const line = world.connect().welcome()
  line.want([])
  await world.pass(5_000)
  const again = world.connect().welcome()
  await world.pass(60_000)
  expect(world.templatesOf(again)).toMatchObject([{ state: 'ready' }])
  expect(world.happened('template_made_way')).toBe(0)
  world.host.version = '2'
  const third = world.connect().welcome()
  await world.pass(60_000)
  expect(world.templatesOf(third)).toEqual([])
  third.want([])
  await world.pass(60_000)
  expect(world.templatesOf(third)).toMatchObject([{ state: 'ready' }])
})

test('replaces a template when it is too old, which goes with its last clone', async () => {
  const { world, line } = await warmed()
  const [first] = world.templatesOf(line)
  line.want([machineOf(1), machineOf(2)])
  await world.pass(AGE_MS_MAX + 60_000)
  expect(world.stepsOf(line, machineOf(2))).toContain('warm')
  const states = world.templatesOf(line).map(({ state }) => state)
  expect(states.toSorted()).toEqual(['ready', 'retiring'])
  line.want([])
  await world.pass(10_000)
  const left = world.templatesOf(line)
  expect(left).toHaveLength(1)
  expect(left).not.toMatchObject([{ id: first && 'id' in first ? first.id : '' }])
})

test('makes no machine from a template of other programs, and builds anew', async () => {
  const { world, line } = await warmed()
  world.host.version = '2'
  line.want([machineOf(1), machineOf(2)])
  await world.pass(60_000)
  expect(world.stepsOf(line, machineOf(2))).toContain('cold')
  expect(world.templatesOf(line)).toMatchObject([{ state: 'ready' }])
  expect(world.happened('template_built')).toBe(2)
})

test('boots after clones of a template failed thrice, and replaces it', async () => {
  const { world, line } = await warmed()
  const machines = [2, 3, 4, 5].map(machineOf)
  for (const machine of machines.slice(0, 3)) {
    world.behaviours.set(machine, 'malformed')
    line.want([machine])
    await world.pass(5_000)
    expect(line.story(machine).at(-1)).toBe('failed')
    expect(world.things().filter((thing) => thing.includes(machine))).toEqual([])
  }
  expect(world.happened('template_bad')).toBe(1)
  line.want([machineOf(5)])
  await world.pass(90_000)
  expect(world.stepsOf(line, machineOf(5))).toContain('cold')
  expect(world.templatesOf(line)).toMatchObject([{ state: 'ready' }])
  expect(world.happened('template_built')).toBe(2)
})

test('takes no offence at a template when a machine was cancelled or its host was full', async () => {
  const { world, line } = await warmed()
  for (const n of [2, 3, 4, 5]) {
    line.want([machineOf(n)])
    await world.pass(20)
    line.want([])
    await world.pass(10_000)
  }
  line.want([6, 7, 8, 9].map(machineOf), { spec: { diskGiB: 4_000 } })
  await world.pass(30_000)
  expect(world.happened('template_bad')).toBe(0)
})

test('tries again later when a build fails', async () => {
  const world = new WarmWorld()
  const mould = `m-zxxcax${'0'.repeat(19)}1` as MachineId
  world.behaviours.set(mould, 'refuses')
  const { line } = await warmed(world)
  expect(world.happened('template_failed')).toBe(1)
  expect(world.templatesOf(line)).toMatchObject([{ state: 'waiting', reason: 'failed' }])
  expect(world.things().filter((thing) => thing.includes(mould))).toEqual([])
  await world.pass(120_000)
  expect(world.templatesOf(line)).toMatchObject([{ state: 'ready' }])
})

test('an agent killed while it builds leaves nothing that the next one keeps', async () => {
  const world = new WarmWorld()
  await world.start()
  const line = world.connect().welcome()
  line.reserved = undefined
  line.want([machineOf(1)])
  await world.pass(12_000)
  line.reserved = SHAPE
  line.want([machineOf(1)])
  await world.pass(5_000)
  expect(world.things().some((thing) => thing.includes('m-z'))).toBe(true)
  // A killed process does nothing more; what it made stays.
  const mould = world.things().filter((thing) => thing.includes('m-z'))
  await world.settle(world.agent.stop('keep'))
  expect(world.things().filter((thing) => thing.includes('m-z'))).toEqual([])
  for (const thing of mould) {
    const [kind = '', name = ''] = thing.split(' ')
    if (kind === 'namespace') world.host.put({ kind, name, link: 'down' })
    if (kind === 'overlay') world.host.put({ kind, name, diskMiB: 1 })
  }
  world.agent = world.newAgent()
  await world.start()
  const again = world.connect().welcome()
  await world.pass(10)
  expect(again.heard[0]).toMatchObject({ type: 'hello', facts: { settling: true } })
  again.want([machineOf(1)], { made: true, stamp: line.next() })
  await world.pass(30_000)
  expect(mould.filter((thing) => world.things().includes(thing))).toEqual([])
  expect(world.templatesOf(again)).toMatchObject([{ state: 'ready' }])
  expect(again.story(machineOf(1)).at(-1)).toBe('ready')
  expect(world.host.get('domain', resourceName(HOST, machineOf(1)))?.state).toBe('running')
})

/** What the agent answers to a question of the coordinator's. */
async function ask(
  world: WarmWorld,
  line: WarmLine,
  question: { kind: 'rebuild' | 'remove'; template: TemplateId },
) {
  line.say({ type: 'ask', ask: 'q', question })
  await world.pass(500)
  const answer = line.heard.findLast(({ type }) => type === 'answer')
  return answer?.type === 'answer' ? answer.result : undefined
}

function firstOf(world: WarmWorld, line: WarmLine): TemplateId {
  const [first] = world.templatesOf(line)
  if (first === undefined || !('id' in first)) throw new Error('no template')
  return first.id
}

test('is rebuilt when somebody says so, and serves until its successor is there', async () => {
  const { world, line } = await warmed()
  line.reserved = undefined
  line.want([machineOf(1)])
  const template = firstOf(world, line)
  expect(await ask(world, line, { kind: 'rebuild', template })).toEqual({ kind: 'done' })
  line.want([machineOf(1), machineOf(2)])
  await world.pass(10_000)
  expect(world.stepsOf(line, machineOf(2))).toContain('warm')
  expect(world.templatesOf(line)).toMatchObject([
    { state: 'ready', id: template },
    { state: 'waiting', reason: 'room' },
  ])
  line.reserved = SHAPE
  line.want([machineOf(1)])
  await world.pass(60_000)
  const [second, ...more] = world.templatesOf(line)
  expect([second?.state, more]).toEqual(['ready', []])
  expect(second).not.toMatchObject({ id: template })
})

test('is rebuilt though its agent ends as soon as it has said yes', async () => {
  const { world, line } = await warmed()
  line.reserved = undefined
  line.want([machineOf(1)])
  const template = firstOf(world, line)
  expect(await ask(world, line, { kind: 'rebuild', template })).toEqual({ kind: 'done' })
  await world.settle(world.agent.stop('keep'))
  world.agent = world.newAgent()
  await world.start()
  const again = world.connect().welcome()
  again.want([machineOf(1)], { made: true, stamp: line.next() })
  await world.pass(60_000)
  const [second, ...more] = world.templatesOf(again)
  expect([second?.state, more]).toEqual(['ready', []])
  expect(second).not.toMatchObject({ id: template })
})

test('is removed when somebody says so, unless a machine lives on it', async () => {
  const { world, line } = await warmed()
  const template = firstOf(world, line)
  line.want([machineOf(2)])
  await world.pass(10_000)
  const remove = () => ask(world, line, { kind: 'remove', template })
  expect(await remove()).toMatchObject({ kind: 'failed', failure: { code: 'conflict' } })
  line.reserved = undefined
  line.want([])
  await world.pass(10_000)
  expect(await remove()).toEqual({ kind: 'done' })
  expect(await remove()).toMatchObject({ kind: 'failed', failure: { code: 'not_found' } })
  await world.pass(5_000)
  expect(world.templatesOf(line)).toMatchObject([{ state: 'waiting', reason: 'room' }])
})

test('is removed while a hull is made of it, which ends without a word', async () => {
  const { world, line } = await warmed()
  const template = firstOf(world, line)
  line.reserved = undefined
  line.want([])
  await world.pass(10_000)
  for (const hull of hullsOf(world, line)) await world.settle(world.driver.dropHull(hull))
  const overlays = () => world.things().filter((thing) => thing.startsWith('overlay'))
  expect(overlays()).toEqual([])
  for (let n = 0; n < 1_000 && overlays().length === 0; n++) await world.pass(10)
  expect(overlays()).toHaveLength(1)
  expect(await ask(world, line, { kind: 'remove', template })).toEqual({ kind: 'done' })
  expect(world.things()).toEqual([])
  await world.pass(10_000)
  expect(world.things()).toEqual([])
  expect(world.happened('trouble')).toBe(0)
})

test('stays for the machine that shall live on it, however early that is', async () => {
  for (let earlierMs = -1_500; earlierMs < 1_500; earlierMs += 50) {
    const { world, line } = await warmed()
    const template = firstOf(world, line)
    const remove = () => line.say({ type: 'ask', ask: 'q', question: { kind: 'remove', template } })
    const make = () => line.want([machineOf(2)])
    const [first, second] = earlierMs < 0 ? [make, remove] : [remove, make]
    first()
    await world.pass(Math.abs(earlierMs))
    second()
    await world.pass(10_000)
    expect(world.stepsOf(line, machineOf(2)), `removed ${earlierMs} ms earlier`).toContain('ready')
  }
})

/** The hulls in stock, by what the host reports. */
const hullsOf = (world: WarmWorld, line: WarmLine): readonly MachineId[] => [
  ...hullsIn(world.templatesOf(line)),
]

test('keeps a hull, launches the machine that is called by its id from it, and then makes the next', async () => {
  const { world, line } = await warmed()
  await world.pass(10_000)
  const [hull] = hullsOf(world, line)
  if (hull === undefined) throw new Error('no hull')
  expect(line.heard.flatMap((frame) => ('machines' in frame ? frame.machines : []))).toSatisfy(
    (all: { machine: MachineId }[]) => all.every(({ machine }) => machine !== hull),
  )
  line.want([machineOf(1), hull])
  await world.pass(1_000)
  expect(world.stepsOf(line, hull)).toContain('hull')
  expect(world.stepsOf(line, hull)).not.toContain('overlay')
  await world.pass(15_000)
  expect(line.story(hull).at(-1)).toBe('ready')
  const next = hullsOf(world, line)
  expect(next).toHaveLength(1)
  expect(next).not.toContain(hull)
})

test('offers a hull no more once its machine is made, however soon that is gone', async () => {
  const { world, line } = await warmed()
  await world.pass(10_000)
  const [hull] = hullsOf(world, line)
  if (hull === undefined) throw new Error('no hull')
  const before = line.heard.length
  line.want([machineOf(1), hull])
  await world.pass(200)
  line.want([machineOf(1)])
  await world.pass(20_000)
  const later = line.heard.slice(before).flatMap((frame) => ('facts' in frame ? [frame.facts] : []))
  expect(later.some((facts) => hullsIn(facts?.templates ?? []).has(hull))).toBe(false)
  expect(world.things().filter((thing) => thing.includes(hull))).toEqual([])
})
