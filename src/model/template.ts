/**
 * An image booted once on a host and frozen warm: what machines of one shape are cloned from.
 *
 *   waiting ◄─► building ──► ready ──► retiring ──► gone    waiting: not now, and why; building: in reserved room
 *                              └─────► bad ───────► gone    retiring: too old, or superseded; serves nobody new, goes
 *                                                           with its last clone
 *                                                           bad: clones of it failed; replaced like an old one
 */
import type { MachineSpec, Sharing } from './flavor.ts'
import type { ImageDigest, MachineId, ReservationId, TemplateId, TrustDomain } from './id.ts'

/** What machines must have in common to be clones of one template. */
export interface TemplateShape {
  readonly image: ImageDigest
  readonly vcpus: number
  readonly memoryMiB: number
  readonly diskGiB: number
  readonly sharing: Sharing
  /** Whose machines share its pages: with `sharing: 'trust-domain'`, and only then. */
  readonly trustDomain?: TrustDomain
}

/** A template that a host shall have. Written by the coordinator. */
export interface WantedTemplate {
  readonly shape: TemplateShape
  /** Room for the machine that is booted to be frozen. */
  readonly reservation?: ReservationId
}

/**
 * How a host makes machines, best first: memory shared with the template until written, a whole copy of it, or a boot.
 */
export type CloneMode = 'shared-memory' | 'mapped-ram' | 'cold'

/** A template as its host sees it, or why there is none yet. Written by the agent. */
export type HostTemplate =
  | {
      readonly state: 'ready' | 'retiring' | 'bad'
      readonly id: TemplateId
      readonly shape: TemplateShape
      readonly mode: CloneMode
      readonly builtAtMs: number
      /** Machines that live on it now. */
      readonly clones: number
      /** What it takes on the host's disk. */
      readonly diskMiB: number
      /** Clones made up to where their guests would run, by the ids that machines launched from them have. */
      readonly hulls: readonly MachineId[]
    }
  | { readonly state: 'building'; readonly shape: TemplateShape; readonly progressPercent: number }
  | { readonly state: 'waiting'; readonly shape: TemplateShape; readonly reason: TemplateBlocked }

/**
 * Why a template is not built now: the coordinator has reserved no room for it yet, the host has no disk for what comes
 * of it, it failed and is tried again later, or this host can make none of that shape.
 */
export type TemplateBlocked = 'room' | 'disk' | 'failed' | 'unable'

/** The shape of the template a machine may be cloned from. */
export const shapeOf = (spec: MachineSpec): TemplateShape => {
  const { image, vcpus, memoryMiB, diskGiB, trustDomain, sharing = 'trust-domain' } = spec
  const common = { image, vcpus, memoryMiB, diskGiB, sharing }
  return sharing === 'trust-domain' ? { ...common, trustDomain } : common
}

/** The hulls that a host has in stock, by what it says. */
export const hullsIn = (templates: readonly HostTemplate[]): ReadonlySet<MachineId> =>
  new Set(templates.flatMap((template) => ('hulls' in template ? template.hulls : [])))

/** A host offers a hull until it has heard who is launched from it, and a moment longer. */
export const withoutHulls = (
  templates: readonly HostTemplate[],
  taken: ReadonlySet<MachineId>,
): readonly HostTemplate[] =>
  templates.map((template) =>
    'hulls' in template
      ? { ...template, hulls: template.hulls.filter((hull) => !taken.has(hull)) }
      : template,
  )

/** One word for a shape, to find it by: the same for two shapes that are the same. */
export const shapeKey = (shape: TemplateShape): string => {
  const { image, vcpus, memoryMiB, diskGiB, sharing, trustDomain = '' } = shape
  return [image, vcpus, memoryMiB, diskGiB, sharing, trustDomain].join(' ')
}
