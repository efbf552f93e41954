/** Which images a host can do without: each build and import leaves one more, and none goes by itself. */
import type { ImageDigest, ImageManifest } from '../../model/index.ts'

export interface Surplus {
  /** Of each name, the newest so many stay. */
  readonly keep: number
  /** Machines per image. */
  readonly inUse: ReadonlyMap<ImageDigest, number>
}

/** `manifests` with the newest of each name first, as the store lists them. */
export function surplus(
  manifests: readonly ImageManifest[],
  { keep, inUse }: Surplus,
): readonly ImageManifest[] {
  const seen = new Map<string, number>()
  return manifests.filter(({ name, digest }) => {
    const newer = seen.get(name) ?? 0
    seen.set(name, newer + 1)
    return newer >= keep && !inUse.has(digest)
  })
}
