import { randomUUID } from 'node:crypto'
import { constants, copyFile, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../../../model/index.ts'
import type { CloneRequest, Template } from '../driver.ts'
import type { DomainPlan } from './domain.ts'
import { giveFile, type MachineFiles, makeOverlay } from './overlay.ts'
import { type StoredTemplate, TEMPLATE_FILES } from './template/index.ts'

/**
 * Where a machine comes from:
 *
 *   image      it boots from an empty overlay on its golden disk
 *   mould      so does one that is to be frozen, whose memory is a file
 *   template   it wakes from a frozen one's state, in private copies of its memory and its disk
 */
export type Origin =
  | { readonly kind: 'image' }
  | { readonly kind: 'mould'; readonly mode: Template['mode']; readonly generationId: string }
  | { readonly kind: 'template'; readonly template: StoredTemplate }

/** UEFI's variables as a machine first sees them; Debian's package `ovmf`. */
const UEFI_VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd'
const BYTES_PER_MIB = 1024 * 1024

/** The part of a domain that its origin decides. */
export type OriginPlan = Pick<DomainPlan, 'backing' | 'memory' | 'wakes' | 'generationId'>

export function planOrigin(origin: Origin, { disk }: CloneRequest, files: MachineFiles): OriginPlan {
  switch (origin.kind) {
    case 'image':
      return { backing: [disk], wakes: false, generationId: randomUUID() }
    case 'mould': {
      const { mode, generationId } = origin
      const memory = { path: files.memory, kind: 'own' } as const
      return { backing: [disk], wakes: false, generationId, ...(mode === 'shared-memory' && { memory }) }
    }
    case 'template': {
      const { dir, backing, mode } = origin.template
      const memory = { path: join(dir, TEMPLATE_FILES.memory), kind: 'template' } as const
      return {
        backing: [join(dir, TEMPLATE_FILES.disk), ...backing],
        wakes: true,
        generationId: unlike(origin.template.generationId),
        ...(mode === 'shared-memory' && { memory }),
      }
    }
  }
}

/** A guest that reads the id it was frozen with takes itself for the one that was frozen. */
function unlike(generationId: string): string {
  const fresh = randomUUID()
  assert(fresh !== generationId, 'a fresh generation id is not fresh')
  return fresh
}

/** Puts a machine's own files into its directory, each the machine's and nobody else's. */
export async function fillMachineDir(
  origin: Origin,
  request: CloneRequest,
  { files, uid }: { readonly files: MachineFiles; readonly uid: number },
): Promise<void> {
  const { image, spec, disk, signal } = request
  const source = origin.kind === 'template' ? origin.template.dir : undefined
  if (source === undefined) {
    await makeOverlay({ file: files.overlay, base: disk, diskGiB: spec.diskGiB, signal })
  } else {
    await symlink(source, files.template)
    await copy(join(source, TEMPLATE_FILES.overlay), files.overlay)
  }
  await giveFile(files.overlay, uid)
  if (image.firmware === 'uefi') {
    await copy(
      source === undefined ? UEFI_VARIABLES : join(source, TEMPLATE_FILES.variables),
      files.variables,
    )
    await giveFile(files.variables, uid)
  }
  if (origin.kind === 'mould') {
    // QEMU cannot make files here; these it may fill.
    await makeFile(files.state, uid)
    if (origin.mode === 'shared-memory') {
      await makeFile(files.memory, uid)
      await truncate(files.memory, spec.memoryMiB * BYTES_PER_MIB)
    }
  }
}

const copy = (from: string, to: string): Promise<void> => copyFile(from, to, constants.COPYFILE_FICLONE)

async function makeFile(file: string, uid: number): Promise<void> {
  await writeFile(file, '', { flag: 'wx', mode: 0o600 })
  await giveFile(file, uid)
}
