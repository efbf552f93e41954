import type { HostId, ImageDigest } from './id.ts'
import type { CloneMode, HostTemplate } from './template.ts'

/** What one machine costs its host beyond its own memory, and what is left for the host. Measured, see bench. */
export interface Capacity {
  readonly vcpus: number
  readonly memoryMiB: number
  readonly diskMiB: number
}

/** An image as it lies on a host. Written by the agent. */
export interface HostImage {
  readonly digest: ImageDigest
  readonly name: string
  readonly version: string
  readonly builtAt: string
  readonly diskMiB: number
}

/** What a host says of itself. Written by its agent. */
export interface HostFacts {
  readonly host: HostId
  readonly version: string
  /** `emulated` = TCG: works, slow, and no security boundary. */
  readonly acceleration: 'hardware' | 'emulated'
  /** What machines may take in all; the agent has taken off what the host itself needs. */
  readonly capacity: Capacity
  readonly images: readonly HostImage[]
  /** How it makes machines, found by trying, and why not better. */
  readonly cloning?: { readonly mode: CloneMode; readonly evidence: string }
  /** Absent: it makes none. */
  readonly templates?: readonly HostTemplate[]
  /** True while what an earlier agent left is being removed, and takes room that nobody counts. */
  readonly settling?: boolean
}
