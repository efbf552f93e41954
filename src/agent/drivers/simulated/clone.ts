/** Overlay, namespace, domain, start: each an effect of its own, each undone if a later one fails. */
import { type MachineId, SlipwayError } from '../../../model/index.ts'
import type { Clone, CloneRequest } from '../driver.ts'
import { resourceName } from '../resource-name.ts'
import { doorAddress } from './door.ts'
import type { Act } from './effects.ts'
import { newGuest } from './guest.ts'
import type { VirtualHost } from './host.ts'
import type { SimulatedOptions } from './options.ts'

/** Makes the machine of `request`; `destroy` is how its halves go if it fails. */
export async function clone(
  options: SimulatedOptions,
  act: Act,
  request: CloneRequest,
  destroy: (machine: MachineId) => Promise<void>,
): Promise<Clone> {
  const { host } = options
  const { machine, spec, signal } = request
  const name = resourceName(host.id, machine)
  signal.throwIfAborted()
  refuseSecond(host, name, machine)
  try {
    await act('overlay', machine, () => makeOverlay(host, name, spec.diskGiB * MIB_PER_GIB), signal)
    request.step('overlay')
    await act('namespace', machine, () => host.put({ kind: 'namespace', name, link: 'down' }), signal)
    request.step('namespace')
    const guest = newGuest(machine, options.behaviour?.(machine) ?? 'honest')
    const domain = { kind: 'domain', name, ...shapeOf(spec), guest, state: 'stopped' } as const
    await act('domain', machine, () => host.put({ ...domain }), signal)
    request.step('domain')
    await act('start', machine, () => start(host, name), signal)
    request.step('started')
  } catch (error) {
    await destroy(machine)
    throw error
  }
  return { machine, address: doorAddress(host.id, machine), port: SSH_PORT }
}

function refuseSecond(host: VirtualHost, name: string, machine: MachineId): void {
  const there = host.things().find((thing) => thing.name === name)
  if (there === undefined) return
  throw new SlipwayError('conflict', { kind: 'machine', name: machine, detail: `its ${there.kind} exists` })
}

function makeOverlay(host: VirtualHost, name: string, neededMiB: number): void {
  const freeMiB = host.size.diskMiB - host.used().diskMiB
  if (freeMiB < neededMiB) throw new SlipwayError('disk_full', { path: 'overlays', freeMiB, neededMiB })
  host.put({ kind: 'overlay', name, diskMiB: neededMiB })
}

function start(host: VirtualHost, name: string): void {
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
