import { type HostTemplate, shapeKey, type TemplateShape, type WantedTemplate } from '../../model/index.ts'
import type { Template } from '../drivers/driver.ts'
import type { TemplatePlan, TemplateView } from './plan.ts'

/** What the coordinator wants, by its last set. Undefined: it has not told yet, and nothing is begun or given up. */
export type WantedTemplates = readonly WantedTemplate[] | undefined

/** Equal while the same room is reserved. */
export const reservationsOf = (wanted: WantedTemplates): string | undefined =>
  wanted?.map(({ reservation }) => reservation ?? '').join()

export function isReserved(wanted: WantedTemplates, shape: TemplateShape): boolean {
  const key = shapeKey(shape)
  return (wanted ?? []).some((one) => one.reservation !== undefined && shapeKey(one.shape) === key)
}

/** Those that are there, as the host tells of them. */
export const described = (
  present: readonly Template[],
  { states }: Pick<TemplatePlan, 'states'>,
): readonly HostTemplate[] =>
  present.map(({ key: _key, stale: _stale, ...template }) => ({
    ...template,
    state: states.get(template.id) ?? 'ready',
  }))

/** Those that are not built now, and why. */
export const waiting = ({ wanted }: TemplateView, { blocked }: TemplatePlan): readonly HostTemplate[] =>
  wanted.flatMap(({ key, shape }) => {
    const reason = blocked.get(key)
    return reason === undefined ? [] : [{ shape, state: 'waiting', reason }]
  })
