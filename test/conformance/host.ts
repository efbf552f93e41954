import type { Driver } from '../../src/agent/drivers/driver.ts'
import type { ImageManifest, MachineId, MachineSpec } from '../../src/model/index.ts'

/** A host for the conformance suite, and what happens to it behind its driver's back. One per test. */
export interface ConformanceHost {
  readonly spec: MachineSpec
  readonly image: ImageManifest
  readonly disk: string
  /** A step of making a machine, sync and kit included, takes no longer. */
  readonly deadlineMs: number
  /** Its driver lets the guest of a hull run before it is in stock. */
  readonly rehearses: boolean
  /** A new driver of this host, as after a restart of the agent. */
  open(): Promise<Driver>
  /** A fresh, well-formed id. */
  machine(): MachineId
  /** Things whose names look like ours. The function returned names those that are gone or changed. */
  plantDecoys(): Promise<() => Promise<readonly string[]>>
  /** What a kill in the middle of `clone` leaves. */
  leaveHalf(machine: MachineId): Promise<void>
  /** What a kill in the middle of `buildTemplate`, of the host's own shape, leaves. */
  leaveHalfTemplate(): Promise<void>
  /** The guest ends itself. */
  powerOff(machine: MachineId): Promise<void>
  /** The guest's emulator dies. */
  crash(machine: MachineId): Promise<void>
  /** The guest writes lines to its console, coloured and with bells, more than anybody wants. */
  floodConsole(machine: MachineId): Promise<void>
  /** Removes all that is left. */
  close(): Promise<void>
}
