/**
 * A plain model of one turn of gitlab-runner's docker+machine provider (17.9.3, `executors/docker/machine`): what its
 * list of machines and its settings make it remove and create. Written from what that code does, for tests to compare.
 */

export interface ModelMachine {
  readonly state: 'idle' | 'used' | 'creating'
  /** Since it was made or last used. */
  readonly idleMs: number
}

export interface ModelSettings {
  readonly idleCount: number
  readonly idleCountMin: number
  readonly idleScaleFactor: number
  readonly idleTimeMs: number
  /** 0: none. */
  readonly maxGrowthRate: number
  /** 0: none. */
  readonly limit: number
}

interface Counts {
  idle: number
  used: number
  creating: number
  removing: number
}

/** Walks over `machines` as the runner lists them: each is judged by the counts of those before it. */
export function turnOfDockerMachine(
  machines: readonly ModelMachine[],
  settings: ModelSettings,
): { readonly removed: number; readonly created: number } {
  const counts: Counts = { idle: 0, used: 0, creating: 0, removing: 0 }
  for (const { state, idleMs } of machines) {
    const goes =
      state === 'idle' &&
      (tooMany(counts, settings) || (idleMs > settings.idleTimeMs && enoughIdle(counts, settings)))
    counts[goes ? 'removing' : state] += 1
  }
  let created = 0
  while (!growsTooFast(counts, settings) && !tooMany(counts, settings) && !enoughIdle(counts, settings)) {
    counts.creating += 1
    created += 1
  }
  return { removed: counts.removing, created }
}

const tooMany = ({ idle, used, creating, removing }: Counts, { limit }: ModelSettings): boolean =>
  limit > 0 && idle + used + creating + removing >= limit

const growsTooFast = ({ creating }: Counts, { maxGrowthRate }: ModelSettings): boolean =>
  maxGrowthRate > 0 && creating >= maxGrowthRate

function enoughIdle({ idle, used, creating }: Counts, settings: ModelSettings): boolean {
  const available = idle + creating
  const { idleCount, idleScaleFactor: factor } = settings
  if (available >= idleCount) return true
  const min = factor > 0 && settings.idleCountMin < 1 ? 1 : settings.idleCountMin
  return available >= min && factor > 0 && available >= Math.trunc(used * factor)
}
