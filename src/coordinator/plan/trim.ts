/** The plan's part about machines that nobody wants any more. */
import type { Draft } from './draft.ts'
import { fitsFlavor } from './pool.ts'

/** An idle machine that its host cannot reach for this long is given up. Agents ping every 15 s. */
const SUSPECT_MS_MAX = 45_000

/** Dooms unleased machines that can serve nobody: unreachable, or not what their flavor or image is now. */
export function retire(draft: Draft): void {
  for (const machine of draft.unleased()) {
    const pool = draft.poolOf(machine)
    const outdated = !pool || !fitsFlavor(machine.spec, pool.flavor) || isOldVersion(draft, machine)
    if (draft.hosts.has(machine.host) && outdated) draft.doom(machine, 'stale')
    else if (machine.state === 'suspect' && draft.now - machine.stateAtMs > SUSPECT_MS_MAX) {
      draft.doom(machine, 'suspect')
    }
  }
}

/** Dooms machines that have been idle for too long: one of a pool at a time, the next when its successor is ready. */
export function replaceAged(draft: Draft): void {
  for (const [, { ready, making }] of draft.stocks()) {
    const [oldest] = ready.toSorted((a, b) => a.stateAtMs - b.stateAtMs)
    const pool = oldest && draft.poolOf(oldest)
    if (!pool || making.length > 0) continue
    if (draft.now - oldest.stateAtMs > pool.flavor.idleAgeMsMax) draft.doom(oldest, 'age')
  }
}

/**
 * Dooms ready machines beyond what the pool keeps, oldest first, once they have been idle for long enough. One in the
 * making stays: a lease that comes before it is ready will have it sooner than a new one.
 */
export function trimSurplus(draft: Draft): void {
  for (const [, stock] of draft.stocks()) {
    const [first] = stock.ready
    const pool = first && draft.poolOf(first)
    if (!pool) continue
    const { flavor } = pool
    const beyondLimit = draft.count(flavor.name, { dying: false }) - flavor.limit
    const surplus = Math.max(draft.surplus(pool), beyondLimit)
    for (const machine of stock.ready.slice(0, Math.max(0, surplus))) draft.doom(machine, 'surplus')
  }
}

/** A machine still in the making may serve with the version that was newest when it was named. */
function isOldVersion(draft: Draft, machine: Parameters<Draft['isNewest']>[0]): boolean {
  const pool = draft.poolOf(machine)
  return machine.state === 'ready' && pool !== undefined && !draft.isNewest(machine, pool)
}
