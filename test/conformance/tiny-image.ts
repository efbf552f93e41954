import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { inject } from 'vitest'
import type { ImageManifest } from '../../src/model/index.ts'

export interface TinyImage {
  readonly disk: string
  readonly dir: string
  readonly manifest: ImageManifest
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the tiny image's disk, its manifest beside it. */
    tinyDisk: string
  }
}

/** The tiny image, made once per change of its recipe by the run's global setup. */
export function tinyImage(): TinyImage {
  const disk = inject('tinyDisk')
  return {
    disk,
    dir: dirname(disk),
    manifest: JSON.parse(readFileSync(disk.replace(/qcow2$/, 'json'), 'utf8')),
  }
}
