/** What a seed stands for: the hosts, the flavors, the weather and which misfortunes happen. Drawn once, at the start. */
import type { GuestBehaviour, HostSize } from '../../src/agent/drivers/simulated/index.ts'
import { type Flavor, parseId, type TrustDomain } from '../../src/model/index.ts'
import type { Random } from './random.ts'
import { FAIR, type Weather } from './wire.ts'

/** Kinds of misfortune; each run has its own selection, so that rare combinations meet. */
export const misfortunes = [
  'coordinator-kill',
  'agent-kill',
  'partition',
  'disconnect',
  'hypervisor-down',
  'power-cut',
  'guest-end',
  'guest-end-unseen',
  'guest-silence',
  'operator-removal',
  'stray',
  'template-lost',
  'upgrade',
] as const
export type Misfortune = (typeof misfortunes)[number]

export interface Scenario {
  readonly hosts: readonly HostSize[]
  readonly flavors: readonly Flavor[]
  readonly domains: readonly [TrustDomain, ...TrustDomain[]]
  readonly weather: Weather
  readonly misfortunes: readonly Misfortune[]
  /** Between two misfortunes, on average. */
  readonly misfortuneEveryMs: number
  /** Share of machines whose guest misbehaves, and how. */
  readonly hostility: number
  readonly behaviours: readonly [GuestBehaviour, ...GuestBehaviour[]]
  /** Share of effects of the driver that fail. */
  readonly driverFaults: number
  /** The slowest write of an agent's disk. */
  readonly diskMsMax: number
  /** Templates are replaced then. */
  readonly templateAgeMs: number
  readonly clients: number
  /** Faults and new jobs until then. */
  readonly stormMs: number
  /** Calm from then on, with jobs of its own. */
  readonly calmMs: number
}

export function drawScenario(random: Random): Scenario {
  const hosts = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => ({
    vcpus: random.int(2, 8),
    memoryMiB: 1024 * random.int(2, 8),
    diskMiB: 1024 * random.int(8, 40),
  }))
  return {
    hosts,
    flavors: [
      flavor(random, 'small', { vcpus: 1, memoryMiB: 512, diskGiB: 2 }),
      flavor(random, 'large', { vcpus: 2, memoryMiB: 1024, diskGiB: 5 }),
    ],
    domains: [parseId('TrustDomain', 'default'), parseId('TrustDomain', 'other')],
    weather: drawWeather(random),
    misfortunes: misfortunes.filter(() => random.chance(0.5)),
    misfortuneEveryMs: random.pick([3_000, 8_000, 20_000]),
    hostility: random.pick([0, 0, 0.1, 0.3]),
    behaviours: ['silent', 'lies', 'malformed', 'floods', 'refuses', 'stops', 'crashes', 'shut', 'repeats'],
    driverFaults: random.pick([0, 0, 0.01, 0.05]),
    diskMsMax: random.pick([5, 50, 500]),
    templateAgeMs: random.pick([40_000, 3_600_000]),
    clients: random.chance(0.15) ? 15 : random.int(2, 6),
    stormMs: 120_000,
    calmMs: 210_000,
  }
}

function drawWeather(random: Random): Weather {
  if (random.chance(0.3)) return FAIR
  return {
    loss: random.pick([0, 0.02, 0.2]),
    doubling: random.pick([0, 0.05, 0.3]),
    delayMsMax: random.pick([10, 200, 3_000]),
    ordered: random.chance(0.5),
  }
}

const flavor = (
  random: Random,
  name: string,
  shape: Pick<Flavor, 'vcpus' | 'memoryMiB' | 'diskGiB'>,
): Flavor => ({
  name: parseId('FlavorName', name),
  image: 'tiny',
  ...shape,
  network: { allow: [] },
  limit: random.int(1, 5),
  idle: random.pick([0, 0, 1, 2]),
  idleMin: 0,
  idleAgeMsMax: 43_200_000,
  sharing: 'trust-domain',
  allowEmulation: true,
})
