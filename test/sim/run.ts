/** One seed from beginning to end: a storm, then calm, checkers watching all the time. */
import type { Flavor } from '../../src/model/index.ts'
import { checkers } from './checkers/index.ts'
import { clear, storm } from './faults.ts'
import { runFront } from './front.ts'
import { seeded } from './random.ts'
import { drawScenario, type Scenario } from './scenario.ts'
import { Trace } from './trace.ts'
import { VirtualClock } from './virtual-clock.ts'
import { World } from './world.ts'

export interface RunOptions {
  /** The one invariant that counts; all if absent. */
  readonly only?: string | undefined
  /** Lines of the trace that are kept. */
  readonly traceLines: number
}

export interface Outcome {
  readonly seed: number
  readonly scenario: Scenario
  /** The invariant that broke, and how; absent if all held. */
  readonly broken?: string
  readonly trace: readonly string[]
}

export async function runSeed(seed: number, { only, traceLines }: RunOptions): Promise<Outcome> {
  const random = seeded(seed)
  const scenario = drawScenario(random.fork('scenario'))
  const clock = new VirtualClock()
  const trace = new Trace(() => clock.now(), traceLines)
  const watching = checkers.map((make) => make())
  const world = new World({ scenario, random: random.fork('world'), clock, trace, checkers: watching, only })

  startFronts(world, seed)
  world.startCoordinator()
  for (const site of world.sites) world.startAgent(site)
  every(clock, DIAL_MS, () => world.dial())
  every(clock, 1_000, () => world.see({ kind: 'tick' }))
  storm(world, random.fork('storm'))
  clock.after(scenario.stormMs, () => clear(world))
  const endMs = scenario.stormMs + scenario.calmMs
  clock.after(endMs - AUDIT_MS, () => void world.audit())

  while (world.broken === undefined && (await clock.step(endMs)));
  world.close()
  return {
    seed,
    scenario,
    ...(world.broken === undefined ? {} : { broken: world.broken }),
    trace: trace.lines(),
  }
}

/** What is printed of a run. */
export const report = ({ seed, scenario, broken, trace }: Outcome): string =>
  [
    ...trace,
    `seed ${seed}: ${JSON.stringify(scenario)}`,
    broken === undefined ? `seed ${seed} holds` : `seed ${seed} BROKEN ${broken}`,
    `replay: npm run sim -- --seed ${seed}`,
  ].join('\n')

function startFronts(world: World, seed: number): void {
  const { scenario, clock } = world
  const random = seeded(seed).fork('fronts')
  const [first, ...others] = scenario.flavors as readonly Flavor[]
  if (first === undefined) return
  for (let index = 0; index < scenario.clients; index++) {
    const name = `front${index}`
    void runFront({
      clock,
      random: random.fork(name),
      calls: world.calls(index),
      name,
      flavors: [first, ...others],
      untilMs: scenario.stormMs + CALM_JOBS_MS,
    }).catch((error: unknown) => world.break('no-bug', `${name}: ${String(error)}`))
  }
}

function every(clock: VirtualClock, periodMs: number, task: () => void): void {
  const turn = (): void => {
    task()
    clock.after(periodMs, turn)
  }
  turn()
}

/** Before the end: the hosts need a moment to answer. */
const AUDIT_MS = 1_000
const DIAL_MS = 700
/** Jobs go on for a while after the storm. */
const CALM_JOBS_MS = 60_000
