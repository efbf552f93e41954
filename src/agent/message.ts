import type { FromCoordinator } from '../api/index.ts'
import type { Access, Failure, HostFacts, MachineId } from '../model/index.ts'
import type { Conversation } from './conversation.ts'
import type { DriverEvent } from './drivers/driver.ts'
import type { Scan } from './scan.ts'

/** Everything that can happen to an agent. `attempt` tells the makings of one machine apart. */
export type Message =
  | { readonly kind: 'connected' | 'closed'; readonly conversation: Conversation }
  | { readonly kind: 'frame'; readonly conversation: Conversation; readonly frame: FromCoordinator }
  | { readonly kind: 'made'; readonly machine: MachineId; readonly attempt: number; readonly access: Access }
  | ({ readonly kind: 'failed'; readonly attempt: number } & LastWords)
  | ({ readonly kind: 'lost' } & LastWords)
  | { readonly kind: 'removed'; readonly machine: MachineId }
  /** Absent failure: it answered. */
  | { readonly kind: 'pinged'; readonly machine: MachineId; readonly failure?: Failure }
  | { readonly kind: 'driver'; readonly event: DriverEvent }
  | { readonly kind: 'scanned'; readonly scan: Scan }
  /** Time for a full report, with facts where they could be had. */
  | { readonly kind: 'report'; readonly facts?: HostFacts }
  /** Decide once more, though nothing happened. */
  | { readonly kind: 'turn' }

export interface LastWords {
  readonly machine: MachineId
  readonly failure: Failure
  readonly consoleTail: readonly string[]
}

export type Post = (message: Message) => void
