/** The manifest beside each golden disk, and which of several is the newest. */
import { z } from 'zod'
import { imageDigest } from '../../api/server.ts'
import { type HostImage, type ImageManifest, SlipwayError } from '../../model/index.ts'
import { type ImageWords, imageName, imageVersion, memoryMiBMin } from './recipe.ts'

export const MANIFEST_BYTES_MAX = 16 * 1024
const MIB = 1024 * 1024

const bytes = z.int().min(1)
const schema = z.strictObject({
  name: imageName,
  version: imageVersion,
  os: z.enum(['linux', 'windows', 'macos']),
  arch: z.enum(['x86_64', 'aarch64']),
  firmware: z.enum(['bios', 'uefi']),
  user: z.string().max(32),
  digest: imageDigest,
  sizeBytes: bytes,
  virtualBytes: bytes,
  builtAt: z.iso.datetime(),
  memoryMiBMin: memoryMiBMin.optional(),
})

/** What a recipe says, joined with what was seen of the file it made. */
export const manifestOf = (
  { name, version, os, arch, firmware, user, memoryMiBMin }: ImageWords,
  seen: Pick<ImageManifest, 'digest' | 'sizeBytes' | 'virtualBytes' | 'builtAt'>,
): ImageManifest => ({ name, version, os, arch, firmware, user, memoryMiBMin, ...seen })

/** Throws `bad_config` naming `file`. */
export function parseManifest(file: string, text: string): ImageManifest {
  const parsed = schema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SlipwayError('bad_config', { file, detail: `${issue?.path.join('.')}: ${issue?.message}` })
}

export const manifestText = (manifest: ImageManifest): string => `${JSON.stringify(manifest, null, 2)}\n`

/** What a host reports of an image. */
export const reported = ({ digest, name, version, builtAt, virtualBytes }: ImageManifest): HostImage => ({
  digest,
  name,
  version,
  builtAt,
  diskMiB: Math.ceil(virtualBytes / MIB),
})

const byVersion = new Intl.Collator('en', { numeric: true })

/** Sorts by name, the newest of each name first: by version, and of one version the last built. */
export function newestFirst(a: ImageManifest, b: ImageManifest): number {
  return (
    byVersion.compare(a.name, b.name) ||
    byVersion.compare(b.version, a.version) ||
    Date.parse(b.builtAt) - Date.parse(a.builtAt)
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
