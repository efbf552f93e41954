/** What a replay cost and how long its jobs waited, per flavor. */
import type { FlavorName, MachineId } from '../../model/index.ts'

interface Life {
  readonly flavor: FlavorName
  readonly namedAtMs: number
  readyAtMs?: number
  grantedAtMs?: number
  doomedAtMs?: number
}

interface Sums {
  waitsMs: number[]
  machines: number
  living: number
  livingMax: number
  aliveMs: number
  leasedMs: number
  idleMs: number
}

export interface FlavorTally {
  readonly flavor: FlavorName
  readonly jobs: number
  /** How long jobs waited for their machines: half of them at most so long, and so on. */
  readonly waitMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }
  /** Jobs that had their machine at once. */
  readonly atOnce: number
  readonly machines: number
  readonly machinesMax: number
  /** From named to gone. */
  readonly machineHours: number
  readonly leasedHours: number
  readonly idleHours: number
}

export interface TallyReport {
  readonly flavors: readonly FlavorTally[]
  /** Jobs that no machine could be had for. */
  readonly unserved: number
}

export class Tally {
  readonly #now: () => number
  readonly #lives = new Map<MachineId, Life>()
  readonly #sums = new Map<FlavorName, Sums>()

  constructor(now: () => number) {
    this.#now = now
  }

  named(machine: MachineId, flavor: FlavorName): void {
    this.#lives.set(machine, { flavor, namedAtMs: this.#now() })
    const sums = this.#of(flavor)
    sums.machines += 1
    sums.living += 1
    sums.livingMax = Math.max(sums.livingMax, sums.living)
  }

  ready(machine: MachineId): void {
    const life = this.#lives.get(machine)
    if (life) life.readyAtMs = this.#now()
  }

  granted(machine: MachineId, waitedMs: number): void {
    const life = this.#lives.get(machine)
    if (!life) return
    life.grantedAtMs = this.#now()
    this.#of(life.flavor).waitsMs.push(waitedMs)
  }

  doomed(machine: MachineId): void {
    const life = this.#lives.get(machine)
    if (life) life.doomedAtMs = this.#now()
  }

  gone(machine: MachineId): void {
    const life = this.#lives.get(machine)
    if (!life) return
    this.#lives.delete(machine)
    this.#of(life.flavor).living -= 1
    this.#add(life)
  }

  /** Machines that still live count until now; `jobs` is how many there were. */
  report(jobs: number): TallyReport {
    for (const life of this.#lives.values()) this.#add(life)
    this.#lives.clear()
    const flavors = [...this.#sums].map(([flavor, sums]) => tallyOf(flavor, sums))
    return { flavors, unserved: flavors.reduce((left, served) => left - served.jobs, jobs) }
  }

  #add({ flavor, namedAtMs, readyAtMs, grantedAtMs, doomedAtMs }: Life): void {
    const now = this.#now()
    const sums = this.#of(flavor)
    const endMs = doomedAtMs ?? now
    sums.aliveMs += now - namedAtMs
    if (grantedAtMs !== undefined) sums.leasedMs += endMs - grantedAtMs
    if (readyAtMs !== undefined) sums.idleMs += (grantedAtMs ?? endMs) - readyAtMs
  }

  #of(flavor: FlavorName): Sums {
    const known = this.#sums.get(flavor)
    if (known) return known
    const made = { waitsMs: [], machines: 0, living: 0, livingMax: 0, aliveMs: 0, leasedMs: 0, idleMs: 0 }
    this.#sums.set(flavor, made)
    return made
  }
}

function tallyOf(flavor: FlavorName, sums: Sums): FlavorTally {
  const waits = sums.waitsMs.toSorted((a, b) => a - b)
  const share = (part: number): number => waits[Math.ceil(part * waits.length) - 1] ?? 0
  return {
    flavor,
    jobs: waits.length,
    waitMs: { p50: share(0.5), p95: share(0.95), p99: share(0.99), max: share(1) },
    atOnce: waits.filter((waitMs) => waitMs === 0).length,
    machines: sums.machines,
    machinesMax: sums.livingMax,
    machineHours: hours(sums.aliveMs),
    leasedHours: hours(sums.leasedMs),
    idleHours: hours(sums.idleMs),
  }
}

const hours = (ms: number): number => Math.round((ms / 3_600_000) * 100) / 100
