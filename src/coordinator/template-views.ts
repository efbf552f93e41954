/** What callers are shown of templates. */
import type { LeaseView, TemplateView } from '../api/index.ts'
import { type Flavor, type FlavorName, type HostTemplate, shapeKey, shapeOf } from '../model/index.ts'
import { makePool, newestImage, specFor } from './plan/index.ts'
import type { Host, State } from './state.ts'
import type { LeaseRecord } from './store/leases.ts'

/** Each template of a host, with the flavors whose machines are cloned from it. */
export const templateViews = (
  { host, facts }: Host,
  flavors: ReadonlyMap<FlavorName, Flavor>,
): TemplateView[] =>
  (facts?.templates ?? []).map((template) => {
    const image = facts?.images.find(({ digest }) => digest === template.shape.image)?.name
    const cloned = [...flavors.values()].filter((each) => each.image === image && isOf(template, each))
    return {
      host,
      flavors: cloned.map(({ name }) => name),
      ...(image === undefined ? {} : { image }),
      template,
    }
  })

/** The template that a waiting lease's machine would be cloned from, where no host has it yet: the one that is furthest. */
export function missingTemplate(
  { lease }: Pick<LeaseRecord, 'lease'>,
  state: State,
  flavor: Flavor,
): NonNullable<LeaseView['waiting']>['template'] {
  const pool = makePool(flavor, lease.image ?? flavor.image, lease.owner.trustDomain)
  const standing = [...state.hosts.values()].flatMap(({ host, facts }) => {
    const image = facts && newestImage(facts, pool.image)
    if (!image) return []
    const key = shapeKey(shapeOf(specFor(pool, image)))
    return (facts.templates ?? [])
      .filter(({ shape }) => shapeKey(shape) === key)
      .map((template) => ({ host, template }))
  })
  if (standing.some(({ template }) => template.state === 'ready')) return undefined
  const building = standing.flatMap(({ host, template }) =>
    template.state === 'building'
      ? [{ host, state: template.state, progressPercent: template.progressPercent }]
      : [],
  )
  const waiting = standing.flatMap(({ host, template }) =>
    template.state === 'waiting' ? [{ host, state: template.state, reason: template.reason }] : [],
  )
  return building.toSorted((a, b) => b.progressPercent - a.progressPercent)[0] ?? waiting[0]
}

const isOf = ({ shape }: HostTemplate, { vcpus, memoryMiB, diskGiB, sharing }: Flavor): boolean =>
  shape.vcpus === vcpus &&
  shape.memoryMiB === memoryMiB &&
  shape.diskGiB === diskGiB &&
  shape.sharing === sharing
