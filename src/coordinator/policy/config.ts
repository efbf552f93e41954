/**
 * The keys of a `[[flavor]]` that say how many machines are kept: Docker Machine's in snake case, with units, on the
 * flavor itself and in `[[flavor.autoscaling]]`; taskscaler's as they are in `[flavor.autoscaler]`, for those who bring
 * their `[runners.autoscaler]` along. A flavor has the one or the other.
 */
import { z } from 'zod'
import { durationMs, hostZone, periodsIn, wholeMinutes, zone } from './config-values.ts'
import type { Periods, Policy } from './policy.ts'
import { fixedIdle, type MachineRules, type TaskscalerRules } from './rules.ts'
import { parseTaskscalerCron } from './taskscaler-cron.ts'
import type { Throttle } from './throttle.ts'

const MACHINES_MAX = 2_000
const IDLE_S_MAX = 7 * 24 * 3_600
const FACTOR_MAX = 100
const BUILDS_MAX = 1_000
const PERIODS_MAX = 50
const machines = z.int().min(0).max(MACHINES_MAX)
const factor = z.number().min(0).max(FACTOR_MAX)

const machineRules = {
  idle_count: machines.optional(),
  idle_count_min: machines.optional(),
  idle_scale_factor: factor.optional(),
  idle_time_s: z.int().min(0).max(IDLE_S_MAX).optional(),
}

const taskscalerPolicy = z.strictObject({
  periods: periodsIn(parseTaskscalerCron).optional(),
  timezone: zone.optional(),
  idle_count: machines.default(0),
  idle_time: durationMs.default(0),
  scale_factor: factor.default(0),
  scale_factor_limit: machines.default(0),
  preemptive_mode: z.boolean().default(false),
})

const one = z.literal(1, 'must be 1: a machine serves one job at a time')
const builds = z.int().min(1).max(BUILDS_MAX)

/** Keys of a flavor; none is set by default, so that a flavor without them has no policy. */
export const policyKeys = {
  /** The short name of `idle_count`. */
  idle: machines.optional(),
  ...machineRules,
  max_growth_rate: machines.optional(),
  max_builds: builds.optional(),
  /** The operator’s word that jobs need not be kept apart from those before them. */
  isolation: z.literal('waived').optional(),
  autoscaling: z
    .array(
      z.strictObject({
        periods: periodsIn(wholeMinutes),
        timezone: zone.optional(),
        ...machineRules,
      }),
    )
    .max(PERIODS_MAX)
    .optional(),
  autoscaler: z
    .strictObject({
      max_instances: z.int().min(1).max(MACHINES_MAX).optional(),
      max_use_count: builds.optional(),
      capacity_per_instance: one.optional(),
      scale_throttle: z
        .strictObject({ limit: z.int().min(-1).max(10_000).default(100), burst: machines.default(0) })
        .optional(),
      policy: z.array(taskscalerPolicy).min(1).max(PERIODS_MAX),
    })
    .optional(),
}

const keys = z.strictObject(policyKeys)
export type PolicyKeys = z.output<typeof keys>
type MachineKeys = Pick<PolicyKeys, keyof typeof machineRules>

/** The policy of a flavor's keys; `undefined` when it keeps a fixed number of idle machines, however fast. */
export function policyOf(written: PolicyKeys, limit: number): Policy | undefined {
  if (written.autoscaler) return taskscalerOf(written.autoscaler, limit)
  const { autoscaling = [], max_growth_rate: growth = 0 } = written
  const base = machineRulesOf({ ...written, idle_count: idleOf(written) })
  const fixed = base.idleScaleFactor === 0 && written.idle_time_s === undefined
  if (autoscaling.length === 0 && growth === 0 && fixed && buildsOf(written) === 1) return undefined
  return {
    base,
    periods: autoscaling.map((each) => ({
      periods: { crons: each.periods, zone: each.timezone ?? hostZone() },
      rules: machineRulesOf(each),
    })),
    throttle: growth === 0 ? { kind: 'none' } : { kind: 'at-once', machines: growth },
    jobsMax: buildsOf(written),
  }
}

/** How many jobs a machine serves, one after the other. */
export const buildsOf = ({ max_builds: builds, autoscaler }: PolicyKeys): number =>
  builds ?? autoscaler?.max_use_count ?? 1

/** Machines kept ready outside all periods. */
export const idleOf = ({ idle, idle_count: idleCount }: PolicyKeys): number => idleCount ?? idle ?? 0

function machineRulesOf(written: MachineKeys): MachineRules {
  const fixed = fixedIdle(written.idle_count ?? 0)
  const { idle_count_min: min = 0, idle_scale_factor: scale = 0, idle_time_s: idleS } = written
  const idleTimeMs = idleS === undefined ? fixed.idleTimeMs : idleS * SECOND_MS
  return { ...fixed, idleCountMin: min, idleScaleFactor: scale, idleTimeMs }
}

function taskscalerOf(written: NonNullable<PolicyKeys['autoscaler']>, limit: number): Policy {
  return {
    base: OUTSIDE,
    periods: written.policy.map((each) => ({
      periods: toPeriods(each),
      rules: {
        dialect: 'taskscaler',
        idleCount: each.idle_count,
        idleTimeMs: each.idle_time,
        scaleFactor: each.scale_factor,
        scaleFactorLimit: each.scale_factor_limit,
        preemptive: each.preemptive_mode && each.idle_count > 0,
      },
    })),
    throttle: toThrottle(written.scale_throttle ?? { limit: 100, burst: 0 }, limit),
    jobsMax: written.max_use_count ?? 1,
  }
}

/** taskscaler's own, where no policy holds. */
const OUTSIDE: TaskscalerRules = {
  dialect: 'taskscaler',
  idleCount: 0,
  idleTimeMs: 5 * 60_000,
  scaleFactor: 0,
  scaleFactorLimit: 0,
  preemptive: false,
}

/** Without periods a policy always holds. */
const toPeriods = ({
  periods,
  timezone,
}: Pick<z.output<typeof taskscalerPolicy>, 'periods' | 'timezone'>): Periods => ({
  crons: periods ?? [parseTaskscalerCron('* * * * *')],
  zone: timezone ?? hostZone(),
})

/** 100 a second unless written; below 0 is no limit. `burst` is the most there may be, unless written. */
const toThrottle = (
  { limit, burst }: { readonly limit: number; readonly burst: number },
  instances: number,
): Throttle =>
  limit < 0 ? { kind: 'none' } : { kind: 'per-second', limit: limit || 100, burst: burst || instances }

const SECOND_MS = 1_000
