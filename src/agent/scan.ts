/** A look at the whole host from time to time: what events and records alone would miss, found and remembered. */
import type { MachineId } from '../model/index.ts'
import type { Driver, Resource } from './drivers/driver.ts'
import { type Held, hasResources } from './held.ts'
import { strays, sweep } from './reap.ts'
import type { Records } from './records.ts'

export interface Scan {
  readonly listed: readonly Resource[]
  /** Records are named like the host's own resources, so that the reaper and the audit see both. */
  readonly records: readonly Resource[]
  readonly running: ReadonlySet<MachineId>
}

export const RECORD = 'record'

export async function scanHost(driver: Driver, records: Records): Promise<Scan> {
  const listed = await driver.list()
  const machines = await records.machines()
  const running = await driver.running()
  return { listed, records: machines.map((machine) => ({ kind: RECORD, name: machine, machine })), running }
}

export interface ScanVerdict {
  readonly remove: readonly Resource[]
  /** Thought to run, not running in two scans in a row: their end was missed. */
  readonly vanished: readonly MachineId[]
}

/** Compares each scan with the one before it. */
export class Scanner {
  #strays: ReadonlySet<string> = new Set()
  #absent: ReadonlySet<MachineId> = new Set()

  judge(scan: Scan, held: ReadonlyMap<MachineId, Held>): ScanVerdict {
    const machines = [...held.values()]
    const owners = new Set(machines.filter(hasResources).map(({ machine }) => machine))
    const found = [...strays(scan.listed, owners), ...strays(scan.records, new Set(held.keys()))]
    const { remove, seen } = sweep(found, this.#strays)
    const absent = machines
      .filter(isUp)
      .flatMap(({ machine }) => (scan.running.has(machine) ? [] : [machine]))
    const vanished = absent.filter((machine) => this.#absent.has(machine))
    this.#strays = seen
    this.#absent = new Set(absent)
    return { remove, vanished }
  }
}

const isUp = ({ state }: Held): boolean => state === 'ready' || state === 'suspect'
