/** Hosts that could make a machine of a pool if they had room, and why others could not. */
import type { HostId, HostImage, MachineSpec } from '../../model/index.ts'
import type { Draft } from './draft.ts'
import { newestImage, type Pool, refusal } from './pool.ts'
import type { Naming, Trouble } from './view.ts'

/** A machine named in this turn. */
export interface Named extends Naming {
  readonly host: HostId
}

export interface Candidates {
  readonly pool: Pool
  readonly open: readonly { readonly host: HostId; readonly image: HostImage }[]
  /** Why others could not. */
  readonly reasons: readonly string[]
  readonly trouble: Trouble | undefined
}

export function candidates(draft: Draft, named: readonly Named[], pool: Pool): Candidates {
  const open: { host: HostId; image: HostImage }[] = []
  const reasons: string[] = []
  let worst: Trouble | undefined
  for (const [host, facts] of draft.hosts) {
    const image = newestImage(facts, pool.image)
    const trouble = image && resting(draft, named, { host, image, pool })
    const reason = facts.settling ? 'removes what an earlier agent left' : refusal(facts, pool, image)
    if (trouble) worst ??= trouble
    if (image && !reason && !trouble) open.push({ host, image })
    else reasons.push(`${host} ${reason ?? 'rests after failures'}`)
  }
  for (const { host, connected } of draft.view.hosts) if (!connected) reasons.push(`${host} is not connected`)
  return { pool, open, reasons, trouble: worst }
}

/** After a failure a host rests; then one machine at a time shows whether it can again. */
function resting(
  draft: Draft,
  named: readonly Named[],
  { host, image, pool }: { readonly host: HostId; readonly image: HostImage; readonly pool: Pool },
): Trouble | undefined {
  const same = (spec: MachineSpec): boolean => spec.flavor === pool.flavor.name && spec.image === image.digest
  const trouble = draft.view.troubles.find(
    (each) => each.host === host && each.flavor === pool.flavor.name && each.image === image.digest,
  )
  if (!trouble) return undefined
  if (draft.now < trouble.untilMs) return trouble
  const trying =
    named.some((each) => each.host === host && same(each.spec)) ||
    draft.machines
      .values()
      .some(
        (each) =>
          each.host === host && same(each.spec) && (each.state === 'named' || each.state === 'creating'),
      )
  return trying ? trouble : undefined
}
