/** What the checkers see: only what shows outside the processes, in the order in which it happened. */
import type { VirtualThing } from '../../src/agent/drivers/simulated/index.ts'
import type { MachineRecord } from '../../src/agent/records.ts'
import type { FromAgent, FromCoordinator, LeaseView } from '../../src/api/index.ts'
import type { Change } from '../../src/coordinator/store/store.ts'
import type { Failure, Flavor, HostId, LeaseId, MachineId, Stamp } from '../../src/model/index.ts'

export type Wanted = Extract<FromCoordinator, { type: 'wanted' }>
export type Reports = Extract<FromAgent, { type: 'hello' | 'report' }>

export type Evidence =
  /** A coordinator began to live. */
  | { readonly kind: 'epoch'; readonly epoch: number }
  /** The store took these. */
  | { readonly kind: 'committed'; readonly changes: readonly Change[] }
  /** A front got an answer to `call`; `lease` if it went well. `lateMs`: past the time it said it would wait. */
  | {
      readonly kind: 'answered'
      readonly call: string
      readonly lateMs: number
      readonly lease?: LeaseView
      readonly failure?: Failure
      /** The error was none of the table. */
      readonly bug?: string
    }
  /** A front kept its lease alive and was told so. */
  | { readonly kind: 'heard'; readonly lease: LeaseId; readonly ttlMs: number }
  /** A front was shown the way into a machine. */
  | { readonly kind: 'shown'; readonly lease: LeaseId; readonly machine: MachineId }
  /** The coordinator sent a wanted set. */
  | { readonly kind: 'wanted'; readonly host: HostId; readonly frame: Wanted }
  /** An agent's word reached a living coordinator. */
  | { readonly kind: 'reported'; readonly host: HostId; readonly frame: Reports }
  /** An agent persisted the stamp it obeys. */
  | { readonly kind: 'obeyed'; readonly host: HostId; readonly stamp: Stamp }
  | { readonly kind: 'recorded'; readonly host: HostId; readonly record: MachineRecord }
  /** A machine's guest began to run. */
  | { readonly kind: 'started'; readonly host: HostId; readonly machine: MachineId }
  /** The simulation did something to a machine that no software could help: it may be lost. */
  | { readonly kind: 'misfortune'; readonly machine: MachineId; readonly what: string }
  /** A host's programs are others now: its templates serve no more. */
  | { readonly kind: 'upgraded'; readonly host: HostId }
  /** A line of a log. */
  | { readonly kind: 'logged'; readonly text: string }
  /** In the end, with all at rest: what the product itself finds wrong. */
  | { readonly kind: 'audited'; readonly findings: readonly string[] }
  /** No fault from here on. */
  | { readonly kind: 'calm' }
  /** A second has passed. */
  | { readonly kind: 'tick' }

/** What a checker may look at besides. */
export interface Scene {
  now(): number
  /** Since when all is well; absent while faults happen. */
  readonly calmSinceMs: number | undefined
  readonly flavors: readonly Flavor[]
  /** Trust domains with a runner: each has its own idle machines. */
  readonly domains: number
  readonly hosts: readonly SceneHost[]
}

export interface SceneHost {
  readonly id: HostId
  readonly size: { readonly vcpus: number; readonly memoryMiB: number; readonly diskMiB: number }
  things(): readonly VirtualThing[]
  /** Things of others, by `kind/name`, as they were planted. */
  readonly decoys: readonly string[]
  records(): readonly MachineRecord[]
}

export interface Checker {
  readonly name: string
  /** What is broken, or nothing. */
  see(evidence: Evidence, scene: Scene): string | undefined
}

/** A fresh checker per run: it remembers what it saw. */
export type MakeChecker = () => Checker
