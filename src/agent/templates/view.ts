import { shapeKey, type TemplateShape, type WantedTemplate } from '../../model/index.ts'

/** What the coordinator wants, by its last set. Undefined: it has not told yet, and nothing is begun or given up. */
export type WantedTemplates = readonly WantedTemplate[] | undefined

/** Equal while the same room is reserved. */
export const reservationsOf = (wanted: WantedTemplates): string | undefined =>
  wanted?.map(({ reservation }) => reservation ?? '').join()

export function isReserved(wanted: WantedTemplates, shape: TemplateShape): boolean {
  const key = shapeKey(shape)
  return (wanted ?? []).some((one) => one.reservation !== undefined && shapeKey(one.shape) === key)
}
