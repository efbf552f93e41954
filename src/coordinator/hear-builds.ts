/** What a host's word about its templates means for the room that builds take. */
import { type HostFacts, shapeKey } from '../model/index.ts'
import type { HeldBuild } from './plan/index.ts'
import type { Ids } from './ports.ts'
import type { Host, State } from './state.ts'

/**
 * Takes note of which builds their host knows of, and frees the room of those that are over and run no more. A build
 * that nobody knows of becomes `unknown`: it goes on if it is of before this coordinator's start, else a frame that was
 * overtaken tells of it. Returns the room taken for such.
 */
export function hearBuilds(
  { state, ids }: { readonly state: State; readonly ids: Ids },
  host: Host,
  { templates, settling }: HostFacts,
  {
    answers,
    unknown,
  }: {
    /** The host has said this knowing what is wanted of the build now. */
    readonly answers: (build: HeldBuild) => boolean
    readonly unknown: HeldBuild['state']
  },
): readonly HeldBuild[] {
  if (!templates) return []
  const running = templates.filter((one) => one.state === 'building').map(({ shape }) => shape)
  const runs = new Set(running.map(shapeKey))
  const builds = state.buildsOn(host.host)
  for (const build of builds) {
    if (!answers(build)) continue
    if (build.state === 'wanted') state.hearBuild(build)
    else if (!settling && !runs.has(shapeKey(build.shape))) state.removeBuild(build)
  }
  const known = new Set(builds.map(({ shape }) => shapeKey(shape)))
  return running
    .filter((shape) => !known.has(shapeKey(shape)))
    .map((shape) => state.addBuild(ids.reservation(), host, { shape, state: unknown }))
}
