import type { Clock, MachineId, SlipwayError } from '../../../model/index.ts'
import type { GuestBehaviour } from './guest.ts'
import type { VirtualHost } from './host.ts'

/** An act on the host that takes time, may fail, and may be the last before a kill. */
export type Effect =
  | 'probe'
  | 'prepare'
  | 'list'
  | 'overlay'
  | 'namespace'
  | 'domain'
  | 'start'
  | 'boot'
  | 'sync'
  | 'exec'
  | 'link'
  | 'door'
  | 'wake'
  | 'freeze'
  | 'mark'
  | 'end'
  | 'remove'

export interface SimulatedOptions {
  readonly host: VirtualHost
  readonly clock: Clock
  /** In [0, 1); seeded where a run must be repeatable. */
  readonly random: () => number
  /** How the guest of a new machine behaves; honest if absent. */
  readonly behaviour?: (machine: MachineId) => GuestBehaviour
  /** Asked before each effect; an error returned is thrown in its place. */
  readonly fault?: (effect: Effect, machine: MachineId | undefined) => SlipwayError | undefined
  /** Multiplies every duration of `EFFECT_MS`. */
  readonly pace?: number
}

/** Shortest and longest duration of each effect, ms: of the order seen on a host with KVM. */
export const EFFECT_MS: Readonly<Record<Effect, readonly [min: number, max: number]>> = {
  probe: [5, 50],
  prepare: [5, 200],
  list: [1, 20],
  overlay: [5, 60],
  namespace: [2, 40],
  domain: [20, 150],
  start: [10, 60],
  boot: [200, 8_000],
  sync: [1, 200],
  exec: [100, 900],
  link: [1, 10],
  door: [20, 400],
  wake: [5, 40],
  freeze: [100, 2_000],
  mark: [1, 50],
  end: [10, 300],
  remove: [1, 50],
}
