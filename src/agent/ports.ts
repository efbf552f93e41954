/** Everything the agent touches, as capabilities: a process gives it real ones, the simulation its own. */
import type { FromAgent } from '../api/index.ts'
import type { Access, Clock, HostFacts, MachineId } from '../model/index.ts'
import type { Allegiance } from './allegiance.ts'
import type { Driver, ImageSource } from './drivers/driver.ts'
import type { AgentEvents } from './events.ts'
import type { Records } from './records.ts'

export interface AgentPorts {
  readonly driver: Driver
  readonly images: ImageSource
  readonly records: Records
  readonly memory: Memory
  readonly clock: Clock
  /** Unpredictable bytes: keys, entropy for guests. */
  readonly random: (bytes: number) => Uint8Array
  readonly door: Door
  readonly events: AgentEvents
  /** What the host says of itself now; cheap, asked with every full report. */
  readonly facts: () => Promise<HostFacts>
  /** Joins a machine's console to a stream the coordinator waits for; resolves once they are joined. */
  readonly openConsole: (machine: MachineId, stream: string, signal: AbortSignal) => Promise<void>
}

/** Logs in by SSH with the pinned key and runs `true`; throws `ssh_failed`, `host_key_mismatch`. */
export type Door = (
  access: Access,
  options: { readonly machine: MachineId; readonly signal: AbortSignal; readonly deadlineMs: number },
) => Promise<void>

export interface Memory {
  load(): Promise<Allegiance>
  /** Resolves once it would survive a power cut. */
  save(allegiance: Allegiance): Promise<void>
}

/** The coordinator's end of a connection, as the agent sees it. A frame may be lost: all are repeated. */
export type Send = (frame: FromAgent) => void
