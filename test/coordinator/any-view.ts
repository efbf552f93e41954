/** Views of the plan, drawn at random but such as can be: every machine stands in a reservation, leases hold machines. */
import fc from 'fast-check'
import {
  type HeldBuild,
  type HeldMachine,
  roomFor,
  type View,
  type Wish,
} from '../../src/coordinator/index.ts'
import {
  type Flavor,
  type HostFacts,
  type HostId,
  type HostImage,
  type HostTemplate,
  type Lease,
  type MachineSpec,
  parseId,
  type Reservation,
  shapeKey,
  type TemplateShape,
  type TrustDomain,
} from '../../src/model/index.ts'
import { anyFacts, anyFlavor, anyImage } from './world.ts'

const ulid = (n: number): string => String(n).padStart(26, '0')
const domains: readonly TrustDomain[] = ['red', 'blue'].map((name) => parseId('TrustDomain', name))
const images: readonly HostImage[] = [
  anyImage({ byte: '11' }),
  anyImage({ byte: '22', version: '2', builtAt: '2026-02-01T00:00:00Z' }),
  anyImage({ byte: '33', name: 'large' }),
]

const flavorOf = (name: string): fc.Arbitrary<Flavor> =>
  fc
    .record({
      image: fc.constantFrom('tiny', 'large', 'absent'),
      memoryMiB: fc.constantFrom(500, 1000, 3000),
      limit: fc.integer({ min: 1, max: 6 }),
      idle: fc.integer({ min: 0, max: 3 }),
      idleMin: fc.integer({ min: 0, max: 1 }),
      sharing: fc.constantFrom('trust-domain' as const, 'trust-domain' as const, 'host' as const),
      allowEmulation: fc.boolean(),
    })
    .map((change) => anyFlavor({ ...change, name }))

interface DrawnHost {
  readonly connected: boolean
  readonly facts: HostFacts
}

const hostOf = (host: string): fc.Arbitrary<DrawnHost> =>
  fc
    .record({
      connected: fc.boolean(),
      templates: drawnTemplates,
      facts: fc
        .record({
          images: fc.subarray([...images]),
          acceleration: fc.constantFrom('hardware' as const, 'emulated' as const),
          capacity: fc.record({
            vcpus: fc.integer({ min: 0, max: 12 }),
            memoryMiB: fc.integer({ min: 0, max: 12_000 }),
            diskMiB: fc.integer({ min: 1_000, max: 20_000 }),
          }),
        })
        .map((change) => anyFacts({ ...change, host })),
    })
    .map(({ connected, facts, templates }) => ({
      connected,
      facts: templates ? { ...facts, templates: templates.map(templateFrom) } : facts,
    }))

const drawnMachine = fc.record({
  host: fc.constantFrom('h1', 'h2', 'h3'),
  flavor: fc.nat({ max: 2 }),
  image: fc.constantFrom(...images),
  domain: fc.constantFrom(...domains),
  state: fc.constantFrom(
    ...(['named', 'creating', 'ready', 'ready', 'suspect', 'leased', 'doomed'] as const),
  ),
  ageMs: fc.integer({ min: 0, max: 100_000 }),
})

const drawnLease = fc.record({
  flavor: fc.constantFrom('a', 'b', 'unknown'),
  image: fc.constantFrom(undefined, undefined, 'tiny', 'large', 'absent'),
  domain: fc.constantFrom(...domains),
  silentMs: fc.integer({ min: 0, max: 70_000 }),
})

const drawnWish = fc.record({
  flavor: fc.nat({ max: 1 }),
  image: fc.constantFrom(...images),
  domain: fc.constantFrom(...domains),
  ageMs: fc.constantFrom(0, 300_000),
})

/** What a host says of its templates; nothing if it makes none. */
const drawnTemplates = fc.option(
  fc.array(
    fc.record({
      memoryMiB: fc.constantFrom(500, 1000, 3000),
      image: fc.constantFrom(...images),
      domain: fc.constantFrom(...domains),
      say: fc.constantFrom(
        ...(['ready', 'retiring', 'building', 'room', 'disk', 'failed', 'unable'] as const),
      ),
      // The first is also a machine's id, where there is one.
      hulls: fc.subarray([0, 900, 901].map((n) => parseId('MachineId', `m-${ulid(n)}`))),
    }),
    { maxLength: 4 },
  ),
  { nil: undefined },
)

function templateFrom(
  { memoryMiB, image, domain, say, hulls }: NonNullable<Drawn<typeof drawnTemplates>>[number],
  n: number,
): HostTemplate {
  const shape: TemplateShape = {
    ...{ image: image.digest, vcpus: 1, memoryMiB, diskGiB: 1 },
    ...{ sharing: 'trust-domain', trustDomain: domain },
  }
  if (say === 'building') return { state: say, shape, progressPercent: 10 }
  if (say !== 'ready' && say !== 'retiring') return { state: 'waiting', shape, reason: say }
  const id = parseId('TemplateId', `t-${ulid(n)}`)
  return { state: say, id, shape, mode: 'shared-memory', builtAtMs: 0, clones: 0, diskMiB: 1, hulls }
}

/** The time of every drawn view. */
export const NOW = 1_000_000

export const anyView: fc.Arbitrary<View> = fc
  .record({
    flavors: fc.tuple(flavorOf('a'), flavorOf('b')),
    hosts: fc.tuple(hostOf('h1'), hostOf('h2'), hostOf('h3')),
    machines: fc.array(drawnMachine, { maxLength: 12 }),
    leases: fc.array(drawnLease, { maxLength: 10 }),
    spares: fc.array(fc.record({ host: fc.constantFrom('h1', 'h2'), flavor: fc.nat({ max: 1 }) }), {
      maxLength: 3,
    }),
    kept: fc.subarray([...domains]),
    troubled: fc.boolean(),
    restedMs: fc.integer({ min: -5_000, max: 5_000 }),
    wishes: fc.array(drawnWish, { maxLength: 3 }),
    build: fc.option(fc.record({ over: fc.boolean(), heard: fc.boolean() })),
    demands: fc.boolean(),
    waitedMs: fc.constantFrom(0, 100_000),
  })
  .map(({ flavors, hosts, machines, leases, spares, kept, troubled, restedMs, ...drawn }): View => {
    const held = machines.map((drawn, n) => machineFrom(drawn, n, flavors))
    const holders = held.flatMap((machine, n) => (machine.state === 'leased' ? [holderOf(machine, n)] : []))
    const waiting = leases.map((drawn, n) => waitingFrom(drawn, n))
    const rooms: Reservation[] = held.map(({ machine, reservation: id, host, spec }) => ({
      id,
      host,
      room: roomFor(spec),
      machine,
    }))
    const free: Reservation[] = spares.map(({ host, flavor }, n) => ({
      id: parseId('ReservationId', `r-${ulid(1_000 + n)}`),
      host: parseId('HostId', host),
      room: roomFor(flavors[flavor] ?? flavors[0]),
    }))
    // A host is told of each shape once.
    const told = new Map(
      drawn.wishes.map((one) => wishFrom(one, flavors)).map((one) => [shapeKey(one.shape), one]),
    )
    const wishes = [...told.values()]
    const builds = drawn.build ? wishes.slice(0, 1).map(({ shape }) => buildOf(shape, drawn.build)) : []
    return {
      flavors: new Map(flavors.map((flavor) => [flavor.name, flavor])),
      domains: new Map(flavors.map(({ name }) => [name, kept])),
      standings: new Map(),
      leases: [...holders, ...waiting],
      hosts: hosts.map(({ connected, facts }) => ({ host: facts.host, connected, facts })),
      machines: held,
      reservations: [...rooms, ...free, ...builds.map(roomOfBuild)],
      troubles: troubled
        ? images.map((image) => ({
            host: parseId('HostId', 'h1'),
            flavor: flavors[0].name,
            image: image.digest,
            failures: 1,
            lastAtMs: NOW - 5_000,
            untilMs: NOW + restedMs,
            failure: { code: 'create_failed', args: {} },
          }))
        : [],
      builds,
      wishes: new Map([[parseId('HostId', 'h1'), wishes]]),
      demands: drawn.demands
        ? domains.map((trustDomain) => ({ flavor: flavors[1].name, image: 'tiny', trustDomain, atMs: NOW }))
        : [],
      wallMs: drawn.waitedMs,
    }
  })

const roomOfBuild = ({ reservation: id, host, shape }: HeldBuild): Reservation => ({
  id,
  host,
  room: roomFor(shape),
  template: shape,
})

const wishFrom = (
  { flavor, image, domain, ageMs }: Drawn<typeof drawnWish>,
  flavors: readonly [Flavor, Flavor],
): Wish => {
  const { vcpus, memoryMiB, diskGiB } = flavors[flavor] ?? flavors[0]
  const shape = { image: image.digest, vcpus, memoryMiB, diskGiB, trustDomain: domain }
  return { shape: { ...shape, sharing: 'trust-domain' }, sinceMs: NOW - ageMs }
}

const buildOf = (
  shape: TemplateShape,
  drawn: { readonly over: boolean; readonly heard: boolean } | null,
): HeldBuild => ({
  reservation: parseId('ReservationId', `r-${ulid(2_000)}`),
  host: parseId('HostId', 'h1'),
  shape,
  state: drawn?.over ? 'over' : 'wanted',
  since: 1,
  heard: drawn?.heard ?? false,
})

type Drawn<T> = T extends fc.Arbitrary<infer U> ? U : never

function machineFrom(
  { host, flavor, image, domain, state, ageMs }: Drawn<typeof drawnMachine>,
  n: number,
  flavors: readonly [Flavor, Flavor],
): HeldMachine {
  const stale = flavor === 2
  const of = flavors[flavor] ?? flavors[0]
  const spec: MachineSpec = {
    flavor: of.name,
    image: image.digest,
    vcpus: of.vcpus,
    memoryMiB: stale ? of.memoryMiB + 1 : of.memoryMiB,
    diskGiB: of.diskGiB,
    network: of.network,
    trustDomain: domain,
    sharing: of.sharing,
    allowEmulation: of.allowEmulation,
  }
  const machine = parseId('MachineId', `m-${ulid(n)}`)
  const on: HostId = parseId('HostId', host)
  return {
    machine,
    reservation: parseId('ReservationId', `r-${ulid(n)}`),
    spec,
    host: on,
    state,
    made: state === 'ready' || state === 'suspect' || state === 'leased',
    createdAtMs: NOW - ageMs,
    namedAtMs: NOW - ageMs,
    stateAtMs: NOW - ageMs,
    since: 1,
    timeline: [],
    ...(state === 'leased' ? { lease: parseId('LeaseId', `l-${ulid(n)}`) } : {}),
  }
}

const claim = (n: number, domain: TrustDomain) => ({
  id: parseId('LeaseId', `l-${ulid(n)}`),
  name: parseId('LeaseName', `job-${n}`),
  owner: { runner: 'runner', trustDomain: domain },
  ttlMs: 60_000,
  askedAtMs: n,
  attempts: 0,
})

function holderOf({ machine, host, spec }: HeldMachine, n: number): Extract<Lease, { state: 'granted' }> {
  const { flavor, trustDomain } = spec
  return {
    ...claim(n, trustDomain),
    flavor,
    aliveAtMs: n % 5 === 0 ? 0 : NOW,
    state: 'granted',
    machine,
    host,
    grantedAtMs: n,
  }
}

function waitingFrom(
  { flavor, image, domain, silentMs }: Drawn<typeof drawnLease>,
  n: number,
): Extract<Lease, { state: 'waiting' }> {
  return {
    ...claim(500 + n, domain),
    flavor: parseId('FlavorName', flavor),
    ...(image === undefined ? {} : { image }),
    aliveAtMs: NOW - silentMs,
    state: 'waiting',
  }
}
