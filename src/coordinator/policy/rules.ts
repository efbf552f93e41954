/**
 * How many machines a pool keeps for jobs that have not come yet, as GitLab Runner's two autoscalers reckon. Rules are
 * what a policy says at one moment; everything here is arithmetic on them.
 */

/**
 * The meaning of `[runners.machine]` in gitlab-runner 17.9 (executors/docker/machine, idle_limit_strategy.go).
 * Without a factor `idleCount` machines are kept, with one it is the ceiling of `idleScaleFactor` × machines in use.
 */
export interface MachineRules {
  readonly dialect: 'docker-machine'
  readonly idleCount: number
  readonly idleCountMin: number
  readonly idleScaleFactor: number
  readonly idleTimeMs: number
}

/**
 * The meaning of `[[runners.autoscaler.policy]]` in taskscaler (2025-02), one job to an instance. `idleCount` is the
 * floor; the factor is of *all* machines against those in use, so that it adds nothing up to 1.
 */
export interface TaskscalerRules {
  readonly dialect: 'taskscaler'
  readonly idleCount: number
  readonly idleTimeMs: number
  readonly scaleFactor: number
  /** Most machines that the factor asks for; 0 is no limit. */
  readonly scaleFactorLimit: number
  /** Jobs are served from idle machines alone: one that waits has no machine made for it. */
  readonly preemptive: boolean
}

export type Rules = MachineRules | TaskscalerRules

/** A pool's jobs: those that run on a machine, and those that wait for one. */
export interface Demand {
  readonly leased: number
  readonly waiting: number
}

/** A pool's machines that serve nobody. */
export interface Spare {
  readonly ready: number
  /** Of those, how many have been ready for the idle time. */
  readonly expired: number
  /** In the making, less those that waiting jobs will take: below zero while more wait. */
  readonly making: number
}

/** A machine that came too late for its job waits so long for another, unless its flavor says how long. */
const SURPLUS_KEPT_MS = 60_000

/** A flavor that only says how many idle machines it keeps. */
export const fixedIdle = (idleCount: number): MachineRules => ({
  dialect: 'docker-machine',
  idleCount,
  idleCountMin: 0,
  idleScaleFactor: 0,
  idleTimeMs: SURPLUS_KEPT_MS,
})

/** Machines to keep beyond those that waiting jobs get. */
export function idleTarget(rules: Rules, demand: Demand): number {
  return rules.dialect === 'docker-machine' ? machineTarget(rules, demand) : taskscalerTarget(rules, demand)
}

/** How many of the expired machines have to go, when `target` are to be kept. */
export function surplus(rules: Rules, { ready, expired, making }: Spare, target: number): number {
  return rules.dialect === 'docker-machine'
    ? // The runner keeps the first `IdleCount` it looks at, and of the others those that are not expired.
      Math.max(0, expired - target)
    : Math.max(0, Math.min(expired, ready + making - target))
}

function machineTarget(
  { idleCount, idleCountMin, idleScaleFactor }: MachineRules,
  { leased }: Demand,
): number {
  if (idleScaleFactor <= 0) return idleCount
  // With a factor one machine is always kept: the runner asks for no job while it has none.
  const least = Math.max(1, idleCountMin)
  return Math.min(idleCount, Math.max(least, Math.trunc(leased * idleScaleFactor)))
}

function taskscalerTarget(rules: TaskscalerRules, { leased, waiting }: Demand): number {
  const { idleCount, scaleFactor, scaleFactorLimit, preemptive } = rules
  const pending = preemptive ? 0 : waiting
  const scaled = Math.ceil(scaleFactor * leased)
  const total = scaleFactorLimit > 0 ? Math.min(scaled, scaleFactorLimit) : scaled
  return Math.max(idleCount, pending, total - leased) - pending
}
