import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { CreateFlag, type Domain } from '../../../libvirt/index.ts'
import { SlipwayError } from '../../../model/index.ts'
import type { Clone, CloneRequest, HullRequest } from '../driver.ts'
import { resourceName } from '../resource-name.ts'
import { limitMemory } from './cgroup.ts'
import { missingProgram } from './command.ts'
import { domainXml, type Firmware, memoryCostMiB } from './domain.ts'
import { daemonName } from './names.ts'
import { openNamespace, openRing, plugTap, resolveEndpoints, type Slot } from './network/index.ts'
import { fillMachineDir, type Origin, planOrigin } from './origin.ts'
import {
  type MachineFiles,
  machineFiles,
  makeMachineDir,
  requireDisk,
  requireMemory,
  requireSafeBase,
} from './overlay.ts'
import { asking } from './refusal.ts'
import { type SocketKind, socketPath } from './settings.ts'
import { type StoredTemplate, TEMPLATE_FILES, thaw } from './template/index.ts'
import type { Workshop } from './workshop.ts'

const BYTES_PER_MIB = 1024 * 1024
const MIB_PER_GIB = 1024
const BYTES_PER_GIB = MIB_PER_GIB * BYTES_PER_MIB
const SSH_PORT = 22
/** No room is reserved for a hull: a guest that writes much while it rehearses ends there and then. */
const HULL_MEMORY_MIB = 0
/** Starting a paused QEMU; a host under load takes seconds. */
const CREATE_MS_MAX = 60_000
/** Debian's package `ovmf`. */
const UEFI_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd'

/** A machine as far as it can be made before anybody asks for it: its guest is there, and does not run yet. */
export interface Hull {
  readonly slot: Slot
  readonly domain: Domain
}

/**
 * Makes a machine and lets its guest run. Leaves halves when it fails: the caller destroys them.
 *
 *   refuse what cannot be ─► namespace ─┬► files ─► domain, paused ─┬► tap into the namespace, down ──┬─┬► running
 *                                       │                           └► state of its template, if any ┘ │
 *                                       └► its allow-list, in both rings ──────────────────────────────┘
 */
export async function makeMachine(shop: Workshop, request: CloneRequest, origin: Origin): Promise<Clone> {
  await refuse(shop, request)
  const slot = await claim(shop, request)
  const assembled = assemble(shop, request, { origin, slot, memoryMiB: request.spec.memoryMiB })
  await together([assembled, admit(shop, request, slot)])
  return start(shop, request, await assembled)
}

/** Makes one of a template, to be launched later. Leaves halves when it fails: the caller destroys them. */
export async function makeHull(
  shop: Workshop,
  request: CloneRequest,
  { template, rehearse }: { readonly template: StoredTemplate } & Pick<HullRequest, 'rehearse'>,
): Promise<Hull> {
  const { machine, signal } = request
  await refuse(shop, request)
  const slot = await claim(shop, request)
  const origin = { kind: 'template', template } as const
  const hull = await assemble(shop, request, { origin, slot, memoryMiB: HULL_MEMORY_MIB })
  const { domains } = shop.hypervisor
  const { name } = hull.domain
  await asking({ action: 'resume', object: name }, domains.resume(hull.domain, { signal }))
  await rehearse(machine)
  await asking({ action: 'pause', object: name }, domains.suspend(hull.domain, { signal }))
  shop.stock.refill()
  return hull
}

/** Lets a hull's guest run, as the machine that was asked for. Leaves halves when it fails: the caller destroys them. */
export async function launch(shop: Workshop, request: CloneRequest, hull: Hull): Promise<Clone> {
  await refuse(shop, request)
  request.step('hull')
  await together([admit(shop, request, hull.slot), limit(shop, hull.domain.name, request.spec)])
  return start(shop, request, hull)
}

async function claim({ stock, ledger }: Workshop, { machine, signal, step }: CloneRequest): Promise<Slot> {
  const slot = await stock.take(signal)
  await ledger.assign(slot.number, machine)
  step('namespace')
  return slot
}

interface Assembly {
  readonly origin: Origin
  readonly slot: Slot
  /** What its guest may take of the host's. */
  readonly memoryMiB: number
}

async function assemble(shop: Workshop, request: CloneRequest, assembly: Assembly): Promise<Hull> {
  const { origin, slot, memoryMiB } = assembly
  const { machine, spec, signal, step } = request
  const { host } = shop.settings
  const files = machineFiles(shop.layout.machinesDir, host, machine)
  const { uid } = slot
  await makeMachineDir(files, { uid, fill: () => fillMachineDir(origin, request, { files, uid }) })
  step('overlay')

  signal.throwIfAborted()
  const name = resourceName(host, machine)
  const xml = domainXml({
    ...shop,
    name,
    machine,
    slot,
    spec,
    tools: request.tools,
    ...planOrigin(origin, request, files),
    firmware: firmwareOf(request, files),
    overlay: files.overlay,
    consoleLog: files.consoleLog,
    consoleSocket: socketOf('console', slot),
    kitSocket: socketOf('kit', slot),
  })
  // Not given up half way: what libvirt starts after we stopped waiting would be found by the reaper alone.
  const domain = await asking(
    { action: 'create', object: name },
    shop.hypervisor.domains.createXml(xml, { flags: CreateFlag.paused, timeoutMs: CREATE_MS_MAX }),
  )
  step('domain')

  signal.throwIfAborted()
  // Before the guest's processor turns: its kit may wait on a port that has another end.
  await shop.kits.open(machine, async () => socketPath(shop.layout.daemon, 'kit', slot.number))
  await together([
    // First: its questions are on their way while this process starts others.
    origin.kind === 'template' ? wake(shop, { domain, template: origin.template, step, signal }) : undefined,
    plugTap(slot, { from: daemonName(host), signal }),
    limit(shop, name, { ...spec, memoryMiB }),
  ])
  return { slot, domain }
}

const limit = ({ acceleration }: Workshop, name: string, spec: CloneRequest['spec']): Promise<void> =>
  limitMemory(name, memoryCostMiB({ spec, acceleration }) * BYTES_PER_MIB)

/** What the guest may reach besides the world. */
async function admit(shop: Workshop, { spec, signal }: CloneRequest, slot: Slot): Promise<void> {
  const endpoints = await resolveEndpoints(spec.network.allow, signal)
  await together([
    openNamespace(slot, { endpoints, signal }),
    openRing(shop.settings, { slot, endpoints, signal }),
  ])
}

async function start(shop: Workshop, request: CloneRequest, { slot, domain }: Hull): Promise<Clone> {
  const { machine, signal, step } = request
  signal.throwIfAborted()
  step('confined')
  await asking({ action: 'resume', object: domain.name }, shop.hypervisor.domains.resume(domain, { signal }))
  step('started')
  // Not before: what that starts would stand in the way of all this.
  shop.stock.refill()
  return { machine, address: slot.address, port: SSH_PORT }
}

interface Waking {
  readonly domain: Domain
  readonly template: StoredTemplate
  readonly step: (name: string) => void
  readonly signal: AbortSignal
}

async function wake({ hypervisor }: Workshop, { domain, template, step, signal }: Waking): Promise<void> {
  const { dir, mode } = template
  await thaw({ caller: hypervisor.caller, domain, mode, file: join(dir, TEMPLATE_FILES.state), signal })
  step('loaded')
}

/** All of them, to their ends, before the first failure is told: what is undone then is under nobody's hands. */
async function together(tasks: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  for (const task of await Promise.allSettled(tasks)) if (task.status === 'rejected') throw task.reason
}

const firmwareOf = ({ image }: CloneRequest, { variables }: MachineFiles): Firmware =>
  image.firmware === 'uefi' ? { kind: 'uefi', code: UEFI_CODE, variables } : { kind: 'bios' }

/** Inside the daemons' root, in a directory that machines can pass and not list. */
const socketOf = (kind: SocketKind, slot: Slot): string => `/run/libvirt/${kind}/${slot.number}`

async function refuse({ settings, layout, acceleration }: Workshop, request: CloneRequest): Promise<void> {
  const { spec, image, disk, machine } = request
  if (acceleration === 'emulated' && !spec.allowEmulation)
    throw new SlipwayError('create_failed', {
      machine,
      step: 'checks',
      detail: `this host only emulates, which is no security boundary, and flavor ${spec.flavor} does not allow it`,
    })
  if (spec.diskGiB * BYTES_PER_GIB < image.virtualBytes)
    throw new SlipwayError('bad_config', {
      file: 'coordinator.toml',
      detail: `disk_gib of flavor ${spec.flavor} is smaller than the disk of image ${image.name}`,
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
