/** From what a job wishes to what the operator offers. */
import { type FlavorName, isId, SlipwayError } from '../../model/index.ts'
import type { Settings } from './settings.ts'

/** In the job's own words, unchecked. */
export interface Wish {
  readonly image?: string
  readonly flavor?: string
}

export interface Choice {
  readonly flavor: FlavorName
  /** The flavor's own image when absent. */
  readonly image?: string
}

type Offer = Pick<Settings, 'defaultFlavor' | 'flavors' | 'images'>

/**
 * The machine for a job. An image decides the flavor, SLIPWAY_FLAVOR may pick another; whatever is not offered is
 * refused with `not_offered`: the job's own mistake, and no second try would change it.
 */
export function choose(wish: Wish, offer: Offer): Choice {
  const byImage = wish.image === undefined ? undefined : offer.images.get(wish.image)
  if (wish.image !== undefined && byImage === undefined) {
    throw notOffered('image', wish.image, [...offer.images.keys()])
  }
  const flavor =
    wish.flavor === undefined ? (byImage?.flavor ?? offer.defaultFlavor) : wished(wish.flavor, offer)
  if (flavor === undefined) throw notOffered('image', '', [...offer.images.keys()])
  return byImage?.image === undefined ? { flavor } : { flavor, image: byImage.image }
}

function wished(flavor: string, { flavors }: Offer): FlavorName {
  if (isId('FlavorName', flavor) && flavors.includes(flavor)) return flavor
  throw notOffered('flavor', flavor, flavors)
}

const NAMES_SHOWN_MAX = 20
const NAME_CHARS_MAX = 120

function notOffered(kind: string, name: string, offered: readonly string[]): SlipwayError {
  const known = offered.slice(0, NAMES_SHOWN_MAX).join(', ') || 'none'
  return new SlipwayError('not_offered', { kind, name: name.slice(0, NAME_CHARS_MAX), known })
}
