import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, type MachineId, parseId, SlipwayError } from '../../../model/index.ts'
import type { Template, TemplateRequest } from '../driver.ts'
import { mouldSpec } from '../mould-spec.ts'
import { resourceName } from '../resource-name.ts'
import { makeMachine } from './machine.ts'
import { type MachineFiles, machineFiles, makeOverlay } from './overlay.ts'
import { listResources, removeResource } from './resources.ts'
import {
  type FoundSecret,
  firstAlien,
  freeze,
  inspect,
  type Manifest,
  patternsFor,
  settle,
  TEMPLATE_FILES,
  type TemplateFile,
} from './template/index.ts'
import type { Workshop } from './workshop.ts'

const BYTES_PER_MIB = 1024 * 1024
/** `stat`'s, whatever the file system's are. */
const BLOCK_BYTES = 512

export interface MouldRequest extends TemplateRequest {
  /** The host's own name for the machine that is booted to be frozen: the template is named after it. */
  readonly machine: MachineId
  readonly wallMs: number
}

/**
 * Boots a machine like any other, but with its memory in a file, has it warmed, stops it for good and makes its
 * directory a template. Leaves halves when it fails or is killed, which are those of a machine.
 *
 *   machine ─► warm ─► freeze: state to a file ─► QEMU gone ─► digests, search for secrets ─► sealed and renamed
 */
export async function makeTemplate(shop: Workshop, request: MouldRequest): Promise<Template> {
  const { shape, machine, step, signal } = request
  const mode = shop.keys.mode(shape)
  const key = await shop.keys.of(shape, request.tools)
  assert(mode !== undefined && key !== undefined, 'asked for a template where there can be none')
  const generationId = randomUUID()
  const machineRequest = { ...request, spec: mouldSpec(shape), step: () => {} }
  const clone = await makeMachine(shop, machineRequest, { kind: 'mould', mode, generationId })
  step('started')
  await request.warm(clone)
  step('warmed')

  const files = machineFiles(shop.layout.machinesDir, shop.settings.host, machine)
  const domain = await shop.hypervisor.find(resourceName(shop.settings.host, machine))
  if (domain === undefined)
    throw new SlipwayError('machine_lost', { machine, detail: 'it ended before it could be frozen' })
  await settle(shop.hypervisor.caller, { domain, signal })
  await freeze({ caller: shop.hypervisor.caller, domain, mode, file: files.state, signal })
  step('frozen')
  await takeAway(shop, machine)
  step('stopped')

  const id = parseId('TemplateId', machine.replace(/^m-/, 't-'))
  const blind = { file: join(files.dir, TEMPLATE_FILES.overlay), blind: true }
  const base = join(shop.templates.dirOf(id), TEMPLATE_FILES.disk)
  await makeOverlay({ ...blind, base, diskGiB: shape.diskGiB, signal })
  const inspected = await inspectFiles(request, files)
  step('scanned')
  const manifest: Manifest = {
    format: 1,
    ...{ id, key, shape, mode, generationId },
    builtAtMs: request.wallMs,
    backing: [request.disk],
    ...inspected,
  }
  await shop.templates.publish(files.dir, manifest)
  step('published')
  const { builtAtMs, diskMiB } = manifest
  return { id, key, shape, mode, builtAtMs, diskMiB, clones: 0, hulls: [], stale: false }
}

/** Everything of the machine but its files, and its uid while it still owns them. */
async function takeAway(shop: Workshop, machine: MachineId): Promise<void> {
  for (const resource of await listResources(shop, machine))
    if (resource.kind !== 'overlay' && resource.kind !== 'slot') await removeResource(shop, resource)
}

/** Reads every file of it once. Throws `template_unclean` if there is anything that a clone must not find. */
async function inspectFiles(
  { image, disk, tools, forbidden, signal }: TemplateRequest,
  { dir }: MachineFiles,
): Promise<Pick<Manifest, 'files' | 'diskMiB'>> {
  const patterns = patternsFor(forbidden)
  const files: Partial<Record<TemplateFile, { readonly sha256: string; readonly bytes: number }>> = {}
  const secrets: (FoundSecret & { readonly where: string })[] = []
  let blocks = 0
  for (const name of Object.keys(TEMPLATE_FILES) as TemplateFile[]) {
    const file = join(dir, TEMPLATE_FILES[name])
    const found = await stat(file).catch(() => undefined)
    if (found === undefined) continue
    const { sha256, bytes, secrets: inFile } = await inspect(file, { patterns, signal })
    secrets.push(...inFile.map((secret) => ({ ...secret, where: name })))
    files[name] = { sha256, bytes }
    blocks += found.blocks
  }
  const alien = await firstAlien(secrets, { disk, tools, scratch: dir, signal })
  if (alien !== undefined) {
    const { where } = secrets.find(({ text }) => text === alien.text) ?? { where: 'memory' }
    throw new SlipwayError('template_unclean', { image: image.name, what: alien.pattern.what, where })
  }
  return { files, diskMiB: Math.ceil((blocks * BLOCK_BYTES) / BYTES_PER_MIB) }
}
