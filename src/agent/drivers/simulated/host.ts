/**
 * A hypervisor as data: everything that would lie on a real host. It outlives the agent's process, as a real host's
 * things do, and is changed by two parties only: a driver, and whoever plays misfortune (a test, the simulation).
 */
import {
  type CloneMode,
  type HostId,
  type MachineId,
  parseId,
  type TemplateId,
} from '../../../model/index.ts'
import type { DriverEvent, Template } from '../driver.ts'
import { parseResourceName } from '../resource-name.ts'
import type { VirtualGuest } from './guest.ts'

/** A thing with a name. `domain` is the machine proper; its state is what the hypervisor would say. */
export type VirtualThing =
  | {
      readonly kind: 'overlay'
      readonly name: string
      readonly diskMiB: number
      /** Whose clone it is. */
      readonly template?: TemplateId
    }
  | {
      readonly kind: 'template'
      readonly name: string
      readonly template: Omit<Template, 'clones' | 'hulls'>
    }
  | { readonly kind: 'namespace'; readonly name: string; link: 'up' | 'down' }
  | { readonly kind: 'uplink'; readonly name: string }
  | {
      readonly kind: 'domain'
      readonly name: string
      readonly memoryMiB: number
      readonly vcpus: number
      readonly guest: VirtualGuest
      state: 'running' | 'stopped'
    }
export type VirtualDomain = Extract<VirtualThing, { kind: 'domain' }>
export type ThingKind = VirtualThing['kind']

export interface HostSize {
  readonly vcpus: number
  readonly memoryMiB: number
  readonly diskMiB: number
}

export class VirtualHost {
  readonly id: HostId
  readonly size: HostSize
  /** What its hypervisor can do. */
  cloning: CloneMode = 'shared-memory'
  /** Of its programs: templates are made for one version. */
  version = '1'
  /** False: libvirt does not answer; machines run on. */
  hypervisorUp = true
  #ownMachines = 0
  readonly #things = new Map<string, VirtualThing>()
  readonly #watchers = new Set<(event: DriverEvent) => void>()
  #missed: DriverEvent[] = []

  constructor(id: HostId, size: HostSize) {
    this.id = id
    this.size = size
  }

  things(): readonly VirtualThing[] {
    return [...this.#things.values()]
  }

  get<K extends ThingKind>(kind: K, name: string): Extract<VirtualThing, { kind: K }> | undefined {
    const thing = this.#things.get(`${kind}/${name}`)
    return thing?.kind === kind ? (thing as Extract<VirtualThing, { kind: K }>) : undefined
  }

  put(thing: VirtualThing): void {
    this.#things.set(`${thing.kind}/${thing.name}`, thing)
  }

  drop(kind: string, name: string): void {
    this.#things.delete(`${kind}/${name}`)
  }

  /** A name that no coordinator gives. */
  ownMachine(): MachineId {
    const host = this.id.replace(/[ilou]/g, 'x')
    return parseId('MachineId', `m-z${host}${String(++this.#ownMachines).padStart(25 - host.length, '0')}`)
  }

  /** The domain's guest begins to run. */
  start(domain: VirtualDomain): void {
    domain.state = 'running'
  }

  /** Memory and disk that things take now, whoever's they are. */
  used(): { readonly memoryMiB: number; readonly diskMiB: number } {
    let memoryMiB = 0
    let diskMiB = 0
    for (const thing of this.#things.values()) {
      if (thing.kind === 'domain' && thing.state === 'running') memoryMiB += thing.memoryMiB
      if (thing.kind === 'overlay') diskMiB += thing.diskMiB
      if (thing.kind === 'template') diskMiB += thing.template.diskMiB
    }
    return { memoryMiB, diskMiB }
  }

  /** A running guest ends without our asking: its own `poweroff`, or its QEMU's death. */
  endGuest(name: string, kind: 'stopped' | 'crashed', detail: string): void {
    const domain = this.get('domain', name)
    if (domain === undefined || domain.state === 'stopped') return
    domain.state = 'stopped'
    const machine = parseResourceName(this.id, name)
    if (machine !== undefined) this.#emit({ machine, kind, detail })
  }

  /** Libvirt stops answering, or is back: then it says at once what went missing meanwhile. */
  setHypervisor(state: 'up' | 'down'): void {
    this.hypervisorUp = state === 'up'
    if (!this.hypervisorUp) return
    const missed = this.#missed
    this.#missed = []
    for (const event of missed) this.#emit(event)
  }

  /** Power is cut: every guest ends with no event, and all but what lies on its disk is gone, as after a boot. */
  cutPower(): void {
    this.#missed = []
    for (const { kind, name } of this.things())
      if (kind !== 'overlay' && kind !== 'template') this.drop(kind, name)
  }

  watch(watcher: (event: DriverEvent) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #emit(event: DriverEvent): void {
    if (!this.hypervisorUp) {
      if (this.#missed.length < MISSED_EVENTS_MAX) this.#missed.push({ ...event, kind: 'vanished' })
      return
    }
    for (const watcher of this.#watchers) watcher(event)
  }
}

/** What is missed beyond this is found by `running()` alone, as after any lost event. */
const MISSED_EVENTS_MAX = 1_000
