import type { ImageDigest } from './id.ts'

/** The manifest that lies beside a golden disk. Written by its recipe, digest and size by the importer. */
export interface ImageManifest {
  readonly name: string
  readonly version: string
  readonly os: 'linux' | 'windows' | 'macos'
  readonly arch: 'x86_64' | 'aarch64'
  readonly firmware: 'bios' | 'uefi'
  /** Whom the front logs in as. */
  readonly user: string
  readonly digest: ImageDigest
  /** Bytes of the file, and of the disk that the guest sees. */
  readonly sizeBytes: number
  readonly virtualBytes: number
  readonly builtAt: string
  /** What its recipe says a machine needs at least; absent for an image that came without a recipe of ours. */
  readonly memoryMiBMin?: number | undefined
}
