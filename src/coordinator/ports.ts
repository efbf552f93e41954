/** What the coordinator needs from outside, so that a simulation can stand in for each. */
import type { FromCoordinator } from '../api/index.ts'
import type {
  Clock,
  DatabaseId,
  Flavor,
  FlavorName,
  LeaseId,
  MachineId,
  ReservationId,
} from '../model/index.ts'
import type { Policy } from './policy/index.ts'
import type { Store } from './store/store.ts'

/** Sources of names and secrets. Random in the product, seeded in a simulation. */
export interface Ids {
  machine(): MachineId
  reservation(): ReservationId
  lease(): LeaseId
  database(): DatabaseId
  /** Names a question to an agent, or a stream. */
  nonce(): string
  /** 256 random bits as text. */
  token(): string
}

/** Where business events go; pino fits. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface Ports {
  readonly store: Store
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
}

export interface Settings {
  readonly version: string
  readonly flavors: readonly Flavor[]
  /** Absent: each flavor keeps its `idle` machines. */
  readonly policies?: ReadonlyMap<FlavorName, Policy>
}

/** The coordinator's end of one agent's connection. */
export interface AgentLink {
  send(frame: FromCoordinator): void
  /** Ends the connection; `closed` may be called before this returns. */
  close(): void
}
