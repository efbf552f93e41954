/** The plan under a policy against plain models of GitLab Runner's two autoscalers, turn by turn over drawn pools. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyFacts, anyFlavor, anyImage } from '../../../test/coordinator/world.ts'
import { type ModelMachine, turnOfDockerMachine } from '../../../test/policy/docker-machine.ts'
import { requiredByTaskscaler } from '../../../test/policy/taskscaler.ts'
import { type HostId, parseId } from '../../model/index.ts'
import { roomFor } from '../placement/embedded.ts'
import { type HeldMachine, makePool, plan, specFor, type View } from '../plan/index.ts'
import type { Standing } from './policies.ts'
import type { MachineRules, TaskscalerRules } from './rules.ts'

const NOW = 10_000_000
const LIMIT = 30
const ulid = (n: number): string => String(n).padStart(26, '0')
const domain = parseId('TrustDomain', 'red')
const host: HostId = parseId('HostId', 'h1')
const flavor = anyFlavor({ limit: LIMIT })

/** A pool of one flavor on a host with room for anything. */
interface Pool {
  readonly leased: number
  readonly waiting: number
  readonly making: number
  /** How long each ready machine has been idle. */
  readonly idleMs: readonly number[]
}

const anyPool = (waiting: fc.Arbitrary<number>): fc.Arbitrary<Pool> =>
  fc.record({
    leased: fc.nat({ max: 8 }),
    waiting,
    making: fc.nat({ max: 4 }),
    idleMs: fc.array(fc.nat({ max: 2_000 }), { maxLength: 8 }),
  })

/** What the plan does with the pool: machines named for whomever, and idle ones given up. */
function turnOfPlan(pool: Pool, standing: Standing): { readonly removed: number; readonly created: number } {
  const machines = [
    ...Array.from({ length: pool.leased }, () => ({ state: 'leased' as const, ageMs: 5_000 })),
    ...Array.from({ length: pool.making }, () => ({ state: 'creating' as const, ageMs: 0 })),
    ...pool.idleMs.map((ageMs) => ({ state: 'ready' as const, ageMs })),
  ].map(({ state, ageMs }, n) => heldMachine(state, ageMs, n))
  const view: View = {
    flavors: new Map([[flavor.name, flavor]]),
    domains: new Map([[flavor.name, [domain]]]),
    standings: new Map([[flavor.name, standing]]),
    leases: [
      ...machines
        .filter(({ state }) => state === 'leased')
        .map((machine, n) => ({
          ...claim(n),
          state: 'granted' as const,
          machine: machine.machine,
          host,
          grantedAtMs: 0,
        })),
      ...Array.from({ length: pool.waiting }, (_, n) => ({ ...claim(500 + n), state: 'waiting' as const })),
    ],
    hosts: [{ host, connected: true, facts: anyFacts({ capacity: PLENTY }) }],
    machines,
    reservations: machines.map(({ machine, reservation, spec }) => ({
      id: reservation,
      host,
      room: roomFor(spec),
      machine,
    })),
    troubles: [],
    builds: [],
    wishes: new Map(),
    demands: [],
    wallMs: NOW,
  }
  const steps = plan(view, NOW)
  return {
    removed: steps.filter((step) => step.do === 'doom').length,
    created: steps.filter((step) => step.do === 'reserve' || step.do === 'name').length,
  }
}

const PLENTY = { vcpus: 1_000, memoryMiB: 10_000_000, diskMiB: 10_000_000 }

function heldMachine(state: HeldMachine['state'], ageMs: number, n: number): HeldMachine {
  return {
    machine: parseId('MachineId', `m-${ulid(n)}`),
    reservation: parseId('ReservationId', `r-${ulid(n)}`),
    spec: specFor(makePool(flavor, flavor.image, domain), anyImage()),
    host,
    state,
    made: state !== 'creating',
    createdAtMs: NOW - ageMs,
    namedAtMs: NOW - ageMs,
    stateAtMs: NOW - ageMs,
    since: 1,
    timeline: [],
    ...(state === 'leased' ? { lease: parseId('LeaseId', `l-${ulid(n)}`) } : {}),
  }
}

const claim = (n: number) => ({
  id: parseId('LeaseId', `l-${ulid(n)}`),
  name: parseId('LeaseName', `job-${n}`),
  owner: { runner: 'runner', trustDomain: domain },
  flavor: flavor.name,
  ttlMs: 60_000,
  askedAtMs: n,
  aliveAtMs: NOW,
  attempts: 0,
})

const machineRules: fc.Arbitrary<MachineRules> = fc.record({
  dialect: fc.constant('docker-machine'),
  idleCount: fc.nat({ max: 8 }),
  idleCountMin: fc.nat({ max: 8 }),
  idleScaleFactor: fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: 3, noNaN: true })),
  // Odd, and ages are even: being as old as the idle time is measured differently.
  idleTimeMs: fc.nat({ max: 1_000 }).map((n) => 2 * n + 1),
})
const growth = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 }))

describe('a pool that no job waits for', () => {
  test('is changed as Docker Machine’s provider would change it', () => {
    fc.assert(
      fc.property(anyPool(fc.constant(0)), machineRules, growth, (drawn, rules, maxGrowthRate) => {
        const pool = { ...drawn, idleMs: drawn.idleMs.map((ms) => ms - (ms % 2)) }
        const listed: ModelMachine[] = [
          ...Array.from({ length: pool.leased }, () => ({ state: 'used' as const, idleMs: 0 })),
          ...pool.idleMs.toSorted((a, b) => b - a).map((idleMs) => ({ state: 'idle' as const, idleMs })),
          ...Array.from({ length: pool.making }, () => ({ state: 'creating' as const, idleMs: 0 })),
        ]
        const wanted = turnOfDockerMachine(listed, { ...rules, maxGrowthRate, limit: LIMIT })
        const left = maxGrowthRate === 0 ? Number.POSITIVE_INFINITY : Math.max(0, maxGrowthRate - pool.making)
        expect(turnOfPlan(pool, { rules, growth: left })).toEqual(wanted)
      }),
      { numRuns: 2_000 },
    )
  })

  test('keeps what Docker Machine removes for want of looking at all machines first', () => {
    const rules: MachineRules = {
      dialect: 'docker-machine',
      idleCount: 4,
      idleCountMin: 1,
      idleScaleFactor: 1,
      idleTimeMs: 1_001,
    }
    const idle: readonly ModelMachine[] = [2_000, 2_000].map((idleMs) => ({ state: 'idle', idleMs }))
    const used: readonly ModelMachine[] = [0, 0].map((idleMs) => ({ state: 'used', idleMs }))
    const model = { ...rules, maxGrowthRate: 0, limit: 0 }
    expect(turnOfDockerMachine([...idle, ...used], model)).toEqual({ removed: 1, created: 1 })
    expect(turnOfDockerMachine([...used, ...idle], model)).toEqual({ removed: 0, created: 0 })
    const pool = { leased: 2, waiting: 0, making: 0, idleMs: [2_000, 2_000] }
    expect(turnOfPlan(pool, { rules, growth: Number.POSITIVE_INFINITY })).toEqual({ removed: 0, created: 0 })
  })
})

const taskscalerRules: fc.Arbitrary<TaskscalerRules> = fc.record({
  dialect: fc.constant('taskscaler'),
  idleCount: fc.nat({ max: 8 }),
  idleTimeMs: fc.nat({ max: 2_000 }),
  scaleFactor: fc.constantFrom(0, 0, 0.5, 1.2, 1.5, 2, 3),
  scaleFactorLimit: fc.constantFrom(0, 0, 3, 10, 20),
  preemptive: fc.boolean(),
})

test('a pool is changed as taskscaler would change it, jobs that wait included', () => {
  const waiting = fc.oneof(fc.constant(0), fc.nat({ max: 8 }))
  fc.assert(
    fc.property(anyPool(waiting), taskscalerRules, (pool, rules) => {
      const oldest = pool.idleMs.toSorted((a, b) => b - a)
      const served = Math.min(pool.waiting, oldest.length)
      const idle = oldest.slice(served)
      const acquired = pool.leased + served
      const required = requiredByTaskscaler({
        instances: acquired + pool.making + idle.length,
        maxInstances: LIMIT,
        acquired,
        // Served from idle instances alone, a job that finds none is not asked for, and is not seen.
        pending: rules.preemptive ? 0 : pool.waiting - served,
        ...rules,
      })
      const expired = idle.filter((ms) => ms >= rules.idleTimeMs).length
      expect(turnOfPlan(pool, { rules, growth: Number.POSITIVE_INFINITY })).toEqual({
        created: Math.max(0, required),
        removed: Math.max(0, Math.min(-required, expired)),
      })
    }),
    { numRuns: 2_000 },
  )
})

describe('the model of taskscaler', () => {
  const file = join(import.meta.dirname, '../../../test/policy/taskscaler-capacity.txt')
  const lines = readFileSync(file, 'utf8').split('\n').slice(1).filter(Boolean)
  test('gives the answers of the real one', () => {
    expect(lines.length).toBeGreaterThan(100)
    for (const line of lines) {
      const [inputs = '', answer] = line.split(': ')
      const [
        instances = 0,
        maxInstances = 0,
        acquired = 0,
        pending = 0,
        idleCount = 0,
        scaleFactor = 0,
        limit = 0,
      ] = inputs.split(' ').map(Number)
      const given = {
        instances,
        maxInstances,
        acquired,
        pending,
        idleCount,
        scaleFactor,
        scaleFactorLimit: limit,
      }
      expect([line, requiredByTaskscaler(given)]).toEqual([line, Number(answer)])
    }
  })
})

describe('the comparison would find', () => {
  const pool: Pool = { leased: 2, waiting: 0, making: 1, idleMs: [900, 500, 100] }
  const growth = Number.POSITIVE_INFINITY
  const base: MachineRules = {
    dialect: 'docker-machine',
    idleCount: 2,
    idleCountMin: 0,
    idleScaleFactor: 0,
    idleTimeMs: 200,
  }
  test.each([
    ['one machine kept too many', { idleCount: 1 }, { removed: 1, created: 0 }],
    ['an idle time not waited for', { idleCount: 0, idleTimeMs: 950 }, { removed: 0, created: 0 }],
    ['a factor without its ceiling', { idleCount: 5, idleScaleFactor: 9 }, { removed: 0, created: 1 }],
    [
      'a factor without its floor',
      { idleCount: 9, idleCountMin: 6, idleScaleFactor: 1 },
      { removed: 0, created: 2 },
    ],
  ])('%s', (_, change, turn) => {
    expect(turnOfPlan(pool, { rules: { ...base, ...change }, growth })).toEqual(turn)
    const listed: ModelMachine[] = [
      { state: 'used', idleMs: 0 },
      { state: 'used', idleMs: 0 },
      ...pool.idleMs.map((idleMs) => ({ state: 'idle' as const, idleMs })),
      { state: 'creating', idleMs: 0 },
    ]
    expect(turnOfDockerMachine(listed, { ...base, ...change, maxGrowthRate: 0, limit: 0 })).toEqual(turn)
  })
})
