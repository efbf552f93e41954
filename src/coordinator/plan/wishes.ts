import { shapeKey, type TemplateShape } from '../../model/index.ts'
import type { Wish } from './view.ts'

/** What a host shall have templates of from `now` on: what it was told of before is wished since then. */
export function renewWishes(
  told: readonly Wish[],
  shapes: readonly TemplateShape[],
  now: number,
): readonly Wish[] {
  const known = new Map(told.map((one) => [shapeKey(one.shape), one]))
  return shapes.map((shape) => known.get(shapeKey(shape)) ?? { shape, sinceMs: now })
}
