import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { templateId, templateShape } from '../../../../api/server.ts'
import type { TemplateId, TemplateShape } from '../../../../model/index.ts'
import type { Template } from '../../driver.ts'

/** What a template's directory holds, besides its manifest. */
export const TEMPLATE_FILES = {
  disk: 'disk.qcow2',
  /** An empty overlay on the disk: every clone's first. */
  overlay: 'overlay.qcow2',
  state: 'state',
  /** Absent with `mapped-ram`: the state holds it. */
  memory: 'memory',
  /** UEFI's, where the image boots by it. */
  variables: 'variables.fd',
} as const
export type TemplateFile = keyof typeof TEMPLATE_FILES

const file = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.int().min(0) })

const schema = z.strictObject({
  format: z.literal(1),
  id: templateId,
  key: z.string().regex(/^[0-9a-f]{64}$/),
  shape: templateShape,
  mode: z.enum(['shared-memory', 'mapped-ram']),
  builtAtMs: z.number().min(0),
  diskMiB: z.number().min(0),
  /** A clone that kept this one would draw the template's random numbers. */
  generationId: z.uuid(),
  /** Disks under this one, nearest first. */
  backing: z.array(z.string().regex(/^\//)).min(1).max(8).readonly(),
  files: z.partialRecord(z.enum(['disk', 'overlay', 'state', 'memory', 'variables']), file),
})

export interface Manifest {
  readonly format: 1
  readonly id: TemplateId
  readonly key: string
  readonly shape: TemplateShape
  readonly mode: Template['mode']
  readonly builtAtMs: number
  readonly diskMiB: number
  readonly generationId: string
  readonly backing: readonly string[]
  readonly files: Readonly<Partial<Record<TemplateFile, { readonly sha256: string; readonly bytes: number }>>>
}

const NAME = 'template.json'
export const manifestFile = (dir: string): string => join(dir, NAME)
/** Beside the files of a template whose successor is wanted. Empty: there is no half of it. */
export const staleFile = (dir: string): string => join(dir, 'stale')

/** The manifest of a published template; undefined for what is none. */
export async function readManifest(dir: string): Promise<Manifest | undefined> {
  try {
    const parsed = schema.safeParse(JSON.parse(await readFile(manifestFile(dir), 'utf8')))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
