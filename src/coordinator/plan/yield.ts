/**
 * Who gives room to a job that waits: machines in the making that nobody waits for, then a template's build, then idle
 * machines, oldest first, down to what their pools keep in any case.
 */
import type { Capacity, FlavorName, HostId } from '../../model/index.ts'
import { NO_ROOM, plus, roomFor } from '../placement/embedded.ts'
import { type Draft, oldestFirst } from './draft.ts'
import type { Room } from './room.ts'
import { isOverdueBuild } from './templates.ts'
import type { HeldBuild, HeldMachine } from './view.ts'

export interface Ground {
  readonly draft: Draft
  readonly room: Room
  /** Machines in the making that nobody waits for. */
  readonly spare: Set<HeldMachine>
  /** Builds that give their room back in this turn. */
  readonly ending: Set<HeldBuild>
}

export type Yielding =
  | { readonly kind: 'machine'; readonly machine: HeldMachine }
  | { readonly kind: 'build'; readonly build: HeldBuild }

/** Where the fewest must go for `need` to fit; undefined: nowhere are there enough. */
export function fewestYielding(
  ground: Ground,
  hosts: readonly HostId[],
  need: Capacity,
): { readonly host: HostId; readonly all: readonly Yielding[] } | undefined {
  const onHost = Map.groupBy(yielding(ground), hostOf)
  return hosts
    .flatMap((host) => {
      const all = firstEnough(onHost.get(host) ?? [], (freed) => ground.room.willFit(host, need, freed))
      return all ? [{ host, all }] : []
    })
    .sort((a, b) => a.all.length - b.all.length)[0]
}

function firstEnough(
  all: readonly Yielding[],
  isEnough: (freed: Capacity) => boolean,
): readonly Yielding[] | undefined {
  let freed = NO_ROOM
  for (const [index, one] of all.entries()) {
    freed = plus(freed, roomFor(one.kind === 'machine' ? one.machine.spec : one.build.shape))
    if (isEnough(freed)) return all.slice(0, index + 1)
  }
  return undefined
}

/** Lets them go for a job of this flavor, or, without one, for a template. */
export function letGo(ground: Ground, all: readonly Yielding[], forFlavor?: FlavorName): void {
  const { draft, room, spare, ending } = ground
  for (const one of all) {
    if (one.kind === 'machine') {
      draft.doom(one.machine, 'room', forFlavor)
      room.doomed(one.machine)
      spare.delete(one.machine)
    } else {
      draft.unbuild(one.build, 'room')
      room.ending(one.build)
      ending.add(one.build)
    }
  }
}

/** The first machine of the flavor that may go; undefined: none. */
export const firstOfFlavor = (ground: Ground, flavor: FlavorName): Yielding | undefined =>
  yielding(ground).find((one) => one.kind === 'machine' && one.machine.spec.flavor === flavor)

function yielding({ draft, spare, ending }: Ground): readonly Yielding[] {
  const machines = (all: readonly HeldMachine[]): Yielding[] =>
    all.toSorted(oldestFirst).map((machine) => ({ kind: 'machine', machine }))
  const builds = draft.view.builds.filter(
    (build) => build.state === 'wanted' && !ending.has(build) && !isOverdueBuild(draft, build),
  )
  const idle = [...draft.stocks()].flatMap(([, { ready }]) => beyondMinimum(draft, ready))
  return [
    ...machines([...spare]),
    ...builds.map((build): Yielding => ({ kind: 'build', build })),
    ...machines(idle),
  ]
}

/** The oldest of a pool's ready machines, without the last few that it keeps in any case. */
function beyondMinimum(draft: Draft, ready: readonly HeldMachine[]): readonly HeldMachine[] {
  const pool = ready[0] && draft.poolOf(ready[0])
  return pool ? ready.slice(0, Math.max(0, ready.length - draft.idleMin(pool))) : []
}

const hostOf = (one: Yielding): HostId => (one.kind === 'machine' ? one.machine.host : one.build.host)
