/** Overlay, namespace, domain, start: each an effect of its own, each undone if a later one fails. */
import { type MachineId, SlipwayError, type TemplateId } from '../../../model/index.ts'
import type { Clone, CloneRequest } from '../driver.ts'
import { resourceName } from '../resource-name.ts'
import { doorAddress } from './door.ts'
import type { Act } from './effects.ts'
import { newGuest, type VirtualGuest } from './guest.ts'
import type { VirtualHost } from './host.ts'
import type { SimulatedOptions } from './options.ts'

export type Destroy = (machine: MachineId) => Promise<void>

/** Makes the machine of `request`; `destroy` is how its halves go if it fails. */
export async function clone(
  options: SimulatedOptions,
  act: Act,
  request: CloneRequest,
  destroy: Destroy,
): Promise<Clone> {
  request.signal.throwIfAborted()
  refuseSecond(options.host, resourceName(options.host.id, request.machine), request.machine)
  try {
    await assemble(options, act, request)
    return await start(options, act, request)
  } catch (error) {
    await destroy(request.machine)
    throw error
  }
}

/** All of the machine, its guest not yet running. Leaves halves when it fails. */
export async function assemble(options: SimulatedOptions, act: Act, request: CloneRequest): Promise<void> {
  const { host } = options
  const { machine, spec, signal } = request
  const name = resourceName(host.id, machine)
  await act('overlay', machine, () => makeOverlay(host, overlayOf(host, request)), signal)
  request.step('overlay')
  await act('namespace', machine, () => host.put({ kind: 'namespace', name, link: 'down' }), signal)
  request.step('namespace')
  const guest = guestOf(options, request)
  const domain = { kind: 'domain', name, ...shapeOf(spec), guest, state: 'stopped' } as const
  await act('domain', machine, () => host.put({ ...domain }), signal)
  request.step('domain')
  if (request.template === undefined) return
  await act('wake', machine, () => {}, signal)
  request.step('loaded')
}

/** Lets the guest of an assembled machine run. Leaves it as it is when it fails. */
export async function start(
  { host }: SimulatedOptions,
  act: Act,
  { machine, step, signal }: CloneRequest,
): Promise<Clone> {
  await act('start', machine, () => run(host, resourceName(host.id, machine)), signal)
  step('started')
  return { machine, address: doorAddress(host.id, machine), port: SSH_PORT }
}

export const guestOf = (options: SimulatedOptions, { machine, template }: CloneRequest): VirtualGuest =>
  newGuest(machine, options.behaviour?.(machine) ?? 'honest', template === undefined ? 'boots' : 'wakes')

function refuseSecond(host: VirtualHost, name: string, machine: MachineId): void {
  const there = host.things().find((thing) => thing.name === name)
  if (there === undefined) return
  throw new SlipwayError('conflict', { kind: 'machine', name: machine, detail: `its ${there.kind} exists` })
}

/** A template that went meanwhile cannot be cloned. */
function withTemplate(host: VirtualHost, { template }: CloneRequest): { readonly template?: TemplateId } {
  if (template === undefined) return {}
  if (host.get('template', template) !== undefined) return { template }
  throw new SlipwayError('not_found', { kind: 'template', name: template })
}

interface Overlay {
  readonly name: string
  readonly diskMiB: number
  readonly template?: TemplateId
}

export const overlayOf = (host: VirtualHost, request: CloneRequest): Overlay => ({
  name: resourceName(host.id, request.machine),
  diskMiB: request.spec.diskGiB * MIB_PER_GIB,
  ...withTemplate(host, request),
})

export function makeOverlay(host: VirtualHost, overlay: Overlay): void {
  const { diskMiB: neededMiB } = overlay
  const freeMiB = host.size.diskMiB - host.used().diskMiB
  if (freeMiB < neededMiB) throw new SlipwayError('disk_full', { path: 'overlays', freeMiB, neededMiB })
  host.put({ kind: 'overlay', ...overlay })
}

function run(host: VirtualHost, name: string): void {
  const domain = host.get('domain', name)
  if (domain === undefined) {
    throw new SlipwayError('hypervisor_refused', { action: 'start', object: name, detail: 'no such domain' })
  }
  const freeMiB = host.size.memoryMiB - host.used().memoryMiB
  if (freeMiB < domain.memoryMiB) {
    throw new SlipwayError('memory_short', { freeMiB, neededMiB: domain.memoryMiB })
  }
  host.start(domain)
}

const shapeOf = (spec: CloneRequest['spec']): { readonly memoryMiB: number; readonly vcpus: number } => ({
  memoryMiB: spec.memoryMiB,
  vcpus: spec.vcpus,
})

const SSH_PORT = 22
const MIB_PER_GIB = 1024
