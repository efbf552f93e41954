import { randomUUID } from 'node:crypto'
import { access } from 'node:fs/promises'
import { CreateFlag } from '../../../libvirt/index.ts'
import { SlipwayError } from '../../../model/index.ts'
import type { Clone, CloneRequest } from '../driver.ts'
import { resourceName } from '../resource-name.ts'
import { limitMemory } from './cgroup.ts'
import { missingProgram } from './command.ts'
import { domainXml, type Firmware, memoryCostMiB } from './domain.ts'
import { daemonName } from './names.ts'
import { openRing, plugTap, resolveEndpoints, type Slot } from './network/index.ts'
import { machineFiles, makeOverlay, requireDisk, requireMemory, requireSafeBase } from './overlay.ts'
import { asking } from './refusal.ts'
import type { Workshop } from './workshop.ts'

const BYTES_PER_MIB = 1024 * 1024
const MIB_PER_GIB = 1024
const SSH_PORT = 22
/** Starting a paused QEMU; a host under load takes seconds. */
const CREATE_MS_MAX = 60_000
/** Debian's package `ovmf`. */
const UEFI_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd'
const UEFI_VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd'

/**
 * Makes a machine, cold, from an overlay on its image, and lets its guest run. Leaves halves when it fails: the caller
 * destroys them.
 *
 *   refuse what cannot be ─► namespace ─► overlay ─► domain, paused ─► tap into the namespace, down ─► running
 *
 * A warm clone differs in two places only: the domain's memory comes from its template's, and its disk lies on the
 * template's.
 */
export async function makeMachine(shop: Workshop, request: CloneRequest): Promise<Clone> {
  const { machine, spec, signal, step } = request
  const { host } = shop.settings
  await refuse(shop, request)
  const slot = await shop.stock.take(signal)
  await shop.ledger.assign(slot.number, machine)
  step('namespace')

  const endpoints = await resolveEndpoints(spec.network.allow)
  const files = machineFiles(shop.layout.machinesDir, host, machine)
  const uefi = request.image.firmware === 'uefi'
  await makeOverlay({
    files,
    uid: slot.uid,
    base: request.disk,
    diskGiB: spec.diskGiB,
    variablesTemplate: uefi ? UEFI_VARIABLES : undefined,
    signal,
  })
  step('overlay')

  signal.throwIfAborted()
  const firmware: Firmware = uefi
    ? { kind: 'uefi', code: UEFI_CODE, variables: files.variables }
    : { kind: 'bios' }
  const name = resourceName(host, machine)
  const xml = domainXml({
    name,
    machine,
    slot,
    spec,
    acceleration: shop.acceleration,
    machineType: shop.machineType,
    generationId: randomUUID(),
    overlay: files.overlay,
    base: request.disk,
    tools: request.tools,
    firmware,
    consoleLog: files.consoleLog,
    consoleSocket: consoleSocket(slot),
    diskCache: shop.diskCache,
  })
  // Not given up half way: what libvirt starts after we stopped waiting would be found by the reaper alone.
  const domain = await asking(
    { action: 'create', object: name },
    shop.hypervisor.domains.createXml(xml, { flags: CreateFlag.paused, timeoutMs: CREATE_MS_MAX }),
  )
  step('domain')

  signal.throwIfAborted()
  await Promise.all([
    plugTap(slot, { from: daemonName(host), endpoints, signal }),
    openRing(shop.settings, { slot, endpoints, signal }),
    limitMemory(name, memoryCostMiB({ spec, acceleration: shop.acceleration }) * BYTES_PER_MIB),
  ])
  step('confined')

  await asking({ action: 'resume', object: name }, shop.hypervisor.domains.resume(domain, { signal }))
  step('started')
  return { machine, address: slot.address, port: SSH_PORT }
}

/** Inside the daemons' root, in a directory that machines can pass and not list. */
const consoleSocket = (slot: Slot): string => `/run/libvirt/console/${slot.number}`

async function refuse({ settings, layout, acceleration }: Workshop, request: CloneRequest): Promise<void> {
  const { spec, image, disk, machine } = request
  if (acceleration === 'emulated' && !spec.allowEmulation)
    throw new SlipwayError('create_failed', {
      machine,
      step: 'checks',
      detail: `this host only emulates, which is no security boundary, and flavor ${spec.flavor} does not allow it`,
    })
  if (image.firmware === 'uefi' && !(await exists(UEFI_CODE))) throw missingProgram('ovmf')
  await requireSafeBase(disk)
  await requireMemory({ neededMiB: memoryCostMiB({ spec, acceleration }) + settings.memoryReserveMiB })
  await requireDisk(layout.machinesDir, { neededMiB: spec.diskGiB * MIB_PER_GIB + settings.diskReserveMiB })
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
