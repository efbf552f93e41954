/**
 * The golden images of one host: a folder that holds, for each, its disk (`HEX.qcow2`, root's, 0444) and its manifest
 * (`HEX.json`), named by the SHA-256 of the disk. An image never changes; an image whose manifest is there is whole.
 */
import { readdir, rm, stat } from 'node:fs/promises'
import {
  type HostImage,
  type ImageDigest,
  type ImageManifest,
  isId,
  SlipwayError,
} from '../../model/index.ts'
import type { ImageSource } from '../drivers/driver.ts'
import { isMissing, syncFolder } from '../durable-file.ts'
import { newestFirst, reported } from './manifest.ts'
import type { Recipe } from './recipe.ts'
import { discardImport, inScratch, removeLeftovers } from './scratch.ts'
import { type Surplus, surplus } from './surplus.ts'
import { diskPath, manifestAt, manifestPath, takeIn } from './take-in.ts'

export interface Install {
  readonly file: string
  readonly recipe: Recipe
  readonly builtAtMs: number
  readonly signal: AbortSignal
}

export interface Removal {
  /** Machines per image. */
  readonly inUse: ReadonlyMap<ImageDigest, number>
  readonly all: boolean
}

export class ImageStore implements ImageSource {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /** Names in order, the newest of each name first. */
  async list(): Promise<readonly HostImage[]> {
    return (await this.manifests()).map(reported)
  }

  /** As `list`, whole. Passes over what is no manifest: a stray file must not cost a host its images. */
  async manifests(): Promise<readonly ImageManifest[]> {
    await removeLeftovers(this.folder)
    const found = await Promise.all((await namesIn(this.folder)).map((hex) => this.#whole(hex)))
    return found.filter((manifest) => manifest !== undefined).toSorted(newestFirst)
  }

  /** The image of that digest and where its disk lies. Throws `unknown_image`. */
  async find(digest: string): Promise<{ readonly manifest: ImageManifest; readonly disk: string }> {
    const hex = isId('ImageDigest', digest) ? hexOf(digest) : undefined
    const manifest = hex === undefined ? undefined : await this.#whole(hex)
    if (hex === undefined || manifest === undefined) throw await this.#unknown(digest)
    return { manifest, disk: diskPath(this.folder, hex) }
  }

  /** `name` (its newest version), or a digest or its start. Throws `unknown_image`, `ambiguous`. */
  async resolve(written: string): Promise<ImageManifest> {
    const [found, ...others] = await this.#named(written)
    if (DIGEST_START.test(written) && others.length > 0) throw ambiguous(written, [found, ...others])
    return found
  }

  /** Takes a disk file in, and leaves it where it is. Idempotent. Throws `image_refused`, `disk_full`, `too_busy`, `conflict`. */
  install(options: Install): Promise<ImageManifest> {
    return inScratch(this.folder, (scratch) => takeIn({ ...options, store: this.folder, scratch }))
  }

  /**
   * Removes the one image that is meant, or with `all` each of that name. Which of several a name means changes with
   * every build: without `all` it is refused. Throws `image_in_use`, `unknown_image`, `ambiguous`.
   */
  async remove(written: string, { inUse, all }: Removal): Promise<readonly ImageManifest[]> {
    const named = await this.#named(written)
    if (!all && named.length > 1) throw ambiguous(written, named)
    for (const { digest } of named) {
      const count = inUse.get(digest) ?? 0
      if (count > 0) throw new SlipwayError('image_in_use', { image: digest, count })
    }
    for (const manifest of named) await this.#remove(manifest)
    return named
  }

  /** Removes what `surplus` names, and what an import left that nobody went on with. */
  async prune(options: Surplus & { readonly dryRun: boolean }): Promise<readonly ImageManifest[]> {
    const found = surplus(await this.manifests(), options)
    if (options.dryRun) return found
    for (const manifest of found) await this.#remove(manifest)
    await discardImport(this.folder)
    return found
  }

  async #remove({ digest }: ImageManifest): Promise<void> {
    await rm(manifestPath(this.folder, hexOf(digest)), { force: true })
    await rm(diskPath(this.folder, hexOf(digest)), { force: true })
    await syncFolder(this.folder)
  }

  /** All images that `written` may mean, the newest first. */
  async #named(written: string): Promise<readonly [ImageManifest, ...ImageManifest[]]> {
    const isDigest = DIGEST_START.test(written)
    const [found, ...others] = (await this.manifests()).filter(({ name, digest }) =>
      isDigest ? digest.startsWith(written) : name === written,
    )
    if (found === undefined) throw await this.#unknown(written)
    return [found, ...others]
  }

  /** The manifest of an image whose disk is there; undefined otherwise. */
  async #whole(hex: string): Promise<ImageManifest | undefined> {
    try {
      const manifest = await manifestAt(this.folder, hex)
      if (manifest === undefined || hexOf(manifest.digest) !== hex) return undefined
      const { size } = await stat(diskPath(this.folder, hex))
      return size === manifest.sizeBytes ? manifest : undefined
    } catch (error) {
      if (isMissing(error) || error instanceof SlipwayError) return undefined
      throw error
    }
  }

  async #unknown(written: string): Promise<SlipwayError> {
    const known = new Set((await this.manifests()).map(({ name }) => name))
    return new SlipwayError('unknown_image', {
      image: written.slice(0, 80),
      known: [...known].join(', ') || 'none',
    })
  }
}

const ambiguous = (written: string, images: readonly ImageManifest[]): SlipwayError =>
  new SlipwayError('ambiguous', { name: written, candidates: images.map(({ digest }) => digest).join(', ') })

/** No name has a colon. Shorter is no name of one image that anybody would write. */
const DIGEST_START = /^sha256:[0-9a-f]{6,64}$/

const hexOf = (digest: ImageDigest): string => digest.slice('sha256:'.length)

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).flatMap((name) => /^([0-9a-f]{64})[.]json$/.exec(name)?.[1] ?? [])
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
