/** The plan's part about builds of templates: which end, which begin, and in whose room. */

import { roomFor } from '../placement/embedded.ts'
import { buildIsOver, type Due, dueTemplates } from './templates.ts'
import type { HeldMachine } from './view.ts'
import { fewestYielding, type Ground, letGo } from './yield.ts'

/** Builds that are done, have failed or are wanted no more give their room back. */
export function endBuilds(ground: Ground): void {
  const { draft, ending } = ground
  for (const build of draft.view.builds) {
    const why = buildIsOver(draft, build)
    if (why === undefined) continue
    draft.unbuild(build, why)
    ground.room.ending(build)
    ending.add(build)
  }
}

/** Those that have been missing for too long go before jobs, and keep the room that comes until it is enough. */
export function beginOverdueBuilds(ground: Ground): void {
  for (const due of dueTemplates(ground.draft)) {
    if (!due.overdue || begin(ground, due)) continue
    const { room } = ground
    const need = roomFor(due.shape)
    const choice = room.willFit(due.host, need) ? undefined : fewestYielding(ground, [due.host], need)
    if (choice) letGo(ground, choice.all)
    room.claimRoom(due.host, need)
  }
}

/** The others take what jobs leave, where none of `awaited` is in the making. */
export function beginBuilds(ground: Ground, awaited: readonly Pick<HeldMachine, 'host'>[]): void {
  for (const due of dueTemplates(ground.draft)) {
    if (!due.overdue && !awaited.some(({ host }) => host === due.host)) begin(ground, due)
  }
}

function begin({ draft, room }: Ground, { host, shape }: Due): boolean {
  const need = roomFor(shape)
  if (draft.hosts.get(host)?.settling || !room.available(host, need)) return false
  room.takeRoom(host, need)
  draft.build(host, shape)
  return true
}
