/** For the coordinator's tests: one coordinator on a store in memory, under a clock of the test, with hosts that obey. */
import {
  Coordinator,
  type Ids,
  type Log,
  openStore,
  type Ports,
  type Settings,
  type Store,
  WANTED_GAP_MS,
} from '../../src/coordinator/index.ts'
import {
  type Flavor,
  type FlavorName,
  type HostFacts,
  type HostImage,
  type LeaseName,
  parseId,
} from '../../src/model/index.ts'
import { FakeHost } from './fake-host.ts'
import { ManualClock } from './manual-clock.ts'

const ulid = (n: number): string => String(n).padStart(26, '0')

/** Names that count. */
export function countedIds(start = 0): Ids {
  let count = start
  const next = (): string => ulid(++count)
  return {
    machine: () => parseId('MachineId', `m-${next()}`),
    reservation: () => parseId('ReservationId', `r-${next()}`),
    lease: () => parseId('LeaseId', `l-${next()}`),
    database: () => parseId('DatabaseId', `d-${next()}`),
    nonce: () => `n${++count}`,
    token: () => `token-${++count}`,
  }
}

export const anyFlavor = (
  change: Partial<Omit<Flavor, 'name'>> & { readonly name?: string } = {},
): Flavor => ({
  image: 'tiny',
  vcpus: 1,
  memoryMiB: 1024,
  diskGiB: 1,
  network: { allow: [] },
  limit: 10,
  idle: 0,
  idleMin: 0,
  idleAgeMsMax: 43_200_000,
  sharing: 'trust-domain',
  allowEmulation: false,
  ...change,
  name: parseId('FlavorName', change.name ?? 'tiny'),
})

export const anyImage = (
  change: Partial<Omit<HostImage, 'digest'>> & { readonly byte?: string } = {},
): HostImage => {
  const { byte = '11', ...rest } = change
  return {
    digest: parseId('ImageDigest', `sha256:${byte.repeat(32)}`),
    name: 'tiny',
    version: '1',
    builtAt: '2026-01-01T00:00:00Z',
    diskMiB: 100,
    ...rest,
  }
}

export const anyFacts = (
  change: Partial<Omit<HostFacts, 'host'>> & { readonly host?: string } = {},
): HostFacts => ({
  version: '0.1.0',
  acceleration: 'hardware',
  capacity: { vcpus: 16, memoryMiB: 16 * 1024, diskMiB: 100 * 1024 },
  images: [anyImage()],
  ...change,
  host: parseId('HostId', change.host ?? 'h1'),
})

export class World {
  readonly clock = new ManualClock()
  readonly ids = countedIds()
  readonly store: Store
  readonly events: { readonly event: string; readonly fields: object }[] = []
  readonly flavors: readonly Flavor[]
  readonly policies: Settings['policies']
  coordinator: Coordinator

  constructor({
    flavors = [anyFlavor()],
    policies = new Map(),
    store,
  }: {
    readonly flavors?: readonly Flavor[]
    readonly policies?: Settings['policies']
    readonly store?: Store
  } = {}) {
    this.store = store ?? openStore({ dir: ':memory:', makeId: () => this.ids.database() })
    this.flavors = flavors
    this.policies = policies
    this.coordinator = this.start()
  }

  get ports(): Ports {
    const say = (fields: object, event: string): void => void this.events.push({ event, fields })
    const log: Log = { info: say, warn: say, error: say }
    return { store: this.store, clock: this.clock, ids: this.ids, log }
  }

  /** A new coordinator on the same store; the old one is forgotten as `kill -9` would. */
  start(flavors = this.flavors): Coordinator {
    this.coordinator?.close()
    this.coordinator = new Coordinator(this.ports, {
      version: '0.1.0',
      flavors,
      ...(this.policies ? { policies: this.policies } : {}),
    })
    return this.coordinator
  }

  host(facts: Parameters<typeof anyFacts>[0] = {}): FakeHost {
    const host = new FakeHost(anyFacts(facts))
    host.connect(this.coordinator)
    return host
  }

  /** Asks as the operator. */
  ask(
    name: string,
    { flavor = 'tiny', image, ttlMs = 60_000 }: { flavor?: string; image?: string; ttlMs?: number } = {},
  ) {
    const view = this.coordinator.ask(this.coordinator.caller(undefined), {
      name: leaseName(name),
      flavor: flavorName(flavor),
      image,
      ttlMs,
    })
    this.settle()
    return view
  }

  /** Lets what the coordinator has decided reach the hosts. */
  settle(): void {
    this.clock.pass(2 * WANTED_GAP_MS)
  }

  get(name: string) {
    this.settle()
    return this.coordinator.get(this.coordinator.caller(undefined), name)
  }

  release(name: string) {
    const view = this.coordinator.release(this.coordinator.caller(undefined), name)
    this.settle()
    return view
  }

  said(event: string): number {
    return this.events.filter((each) => each.event === event).length
  }
}

export const leaseName = (text: string): LeaseName => parseId('LeaseName', text)
export const flavorName = (text: string): FlavorName => parseId('FlavorName', text)
