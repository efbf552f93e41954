import { availableParallelism, release, totalmem } from 'node:os'
import type { Domain } from '../../../libvirt/index.ts'
import {
  assert,
  type MachineId,
  SlipwayError,
  type TemplateId,
  type TemplateShape,
} from '../../../model/index.ts'
import type {
  Clone,
  CloneRequest,
  ConsoleStream,
  Driver,
  DriverEvent,
  DriverFacts,
  GuestChannel,
  HullRequest,
  Resource,
  Template,
  TemplateRequest,
} from '../driver.ts'
import { resourceName } from '../resource-name.ts'
import { attachConsole, consoleTail } from './console.ts'
import { ensureDirectory } from './directory.ts'
import { MachineWatch } from './events.ts'
import { guestChannel } from './guest-channel.ts'
import { Maker } from './maker.ts'
import { closeLink, openLink, type Slot, slotOf } from './network/index.ts'
import { freeDiskMiB, machineFiles } from './overlay.ts'
import { listResources, removeResource, runningMachines } from './resources.ts'
import { type Layout, type LibvirtSettings, layoutOf, type SocketKind, socketPath } from './settings.ts'
import { askHost, closeWorkshop, openWorkshop, type Workshop } from './workshop.ts'

interface Signalled {
  readonly signal: AbortSignal
}

const MIB = 1024 * 1024

/** Machines by QEMU under a libvirtd of our own, each behind its own uid, root, network and limits. */
export class LibvirtDriver implements Driver {
  readonly name = 'libvirt'
  readonly #settings: LibvirtSettings
  readonly #layout: Layout
  readonly #watch: MachineWatch
  readonly #readers = new Map<MachineId, AbortController>()
  readonly #maker: Maker
  #workshop: Promise<Workshop> | undefined
  #looking = false

  constructor(settings: LibvirtSettings) {
    this.#settings = settings
    this.#layout = layoutOf(settings)
    this.#watch = new MachineWatch(settings.host)
    this.#maker = new Maker(this.#watch)
  }

  async probe({ signal }: Signalled): Promise<DriverFacts> {
    const { versions, acceleration, evidence, cloning } = await askHost(this.#settings, signal)
    await ensureDirectory(this.#layout.machinesDir, 0o711)
    return {
      acceleration,
      evidence,
      cloning: { mode: cloning.mode, evidence: cloning.evidence },
      versions: { ...versions, kernel: release() },
      vcpus: availableParallelism(),
      memoryMiB: Math.floor(totalmem() / MIB),
      diskMiB: await freeDiskMiB(this.#layout.machinesDir),
    }
  }

  async prepare({ signal }: Signalled): Promise<void> {
    if (process.getuid?.() !== 0)
      throw new SlipwayError('not_root', { what: 'the agent with the libvirt driver' })
    this.#workshop ??= openWorkshop(this.#settings, {
      watch: this.#watch,
      look: () => void this.#compare(),
      signal,
    })
    try {
      await this.#workshop
    } catch (error) {
      this.#workshop = undefined
      throw error
    }
  }

  async clone(request: CloneRequest): Promise<Clone> {
    request.signal.throwIfAborted()
    return this.#maker.make(await this.#prepared(), request)
  }

  async templateKey(
    shape: TemplateShape,
    { tools }: { readonly tools?: string },
  ): Promise<string | undefined> {
    return (await this.#prepared()).keys.of(shape, tools)
  }

  async templates(): Promise<readonly Template[]> {
    return this.#maker.templates(await this.#prepared())
  }

  async buildTemplate(request: TemplateRequest): Promise<Template> {
    request.signal.throwIfAborted()
    return this.#maker.mould(await this.#prepared(), request)
  }

  async makeHull(request: HullRequest): Promise<MachineId> {
    request.signal.throwIfAborted()
    return this.#maker.hull(await this.#prepared(), request)
  }

  async dropHull(hull: MachineId): Promise<void> {
    await this.#maker.dropHull(await this.#prepared(), hull)
  }

  async markStale(template: TemplateId): Promise<void> {
    await (await this.#prepared()).templates.markStale(template)
  }

  async removeTemplate(template: TemplateId): Promise<void> {
    await this.#maker.removeTemplate(await this.#prepared(), template)
  }

  async link(machine: MachineId, state: 'up' | 'down', { signal }: Signalled): Promise<void> {
    const slot = await this.#slotOf(machine)
    await (state === 'up' ? openLink(slot, signal) : closeLink(slot, signal))
  }

  guest(machine: MachineId): GuestChannel {
    const channel = async (): Promise<GuestChannel> => {
      const { hypervisor, kits } = await this.#prepared()
      const domain = () => this.#domainOf(machine)
      const kit = () => kits.open(machine, () => this.#socketOf(machine, 'kit'))
      return guestChannel({ machine, caller: hypervisor.caller, domain, kit })
    }
    return {
      ask: async (request, options) => (await channel()).ask(request, options),
      sync: async (options) => (await channel()).sync(options),
      exec: async (path, args, options) => (await channel()).exec(path, args, options),
    }
  }

  async destroy(machine: MachineId): Promise<void> {
    await this.#maker.destroy(await this.#prepared(), machine)
  }

  async list(): Promise<readonly Resource[]> {
    const shop = await this.#recovered()
    const { found, own } = await this.#maker.look(() => listResources(shop))
    return found.map(({ kind, name, machine, kept }): Resource => {
      if (machine === undefined) return kept ? { kind, name, kept } : { kind, name }
      return own.has(machine) ? { kind, name, kept: true } : { kind, name, machine }
    })
  }

  async running(): Promise<ReadonlySet<MachineId>> {
    const shop = await this.#recovered()
    const { found, own } = await this.#maker.look(() => runningMachines(shop))
    return found.difference(own)
  }

  async remove(resource: Resource): Promise<void> {
    if (resource.kept) return
    if (resource.machine !== undefined) this.#watch.forget(resource.machine)
    await removeResource(await this.#recovered(), resource)
  }

  console(machine: MachineId, { lines }: { readonly lines: number }): Promise<readonly string[]> {
    return consoleTail(machineFiles(this.#layout.machinesDir, this.#settings.host, machine).consoleLog, lines)
  }

  /** Whoever had the machine's console before loses it. */
  async attachConsole(machine: MachineId, { signal }: Signalled): Promise<ConsoleStream> {
    await this.#prepared()
    const socket = await this.#socketOf(machine, 'console')
    this.#readers.get(machine)?.abort(new SlipwayError('cancelled', { what: 'an earlier console' }))
    const reader = new AbortController()
    const end = AbortSignal.any([signal, reader.signal])
    this.#readers.set(machine, reader)
    end.addEventListener('abort', () => {
      if (this.#readers.get(machine) === reader) this.#readers.delete(machine)
    })
    return attachConsole(socket, { machine, signal: end })
  }

  events({ signal }: Signalled): AsyncIterable<DriverEvent> {
    return this.#watch.subscribe(signal)
  }

  async close(): Promise<void> {
    const shop = await this.#workshop
    this.#workshop = undefined
    if (shop === undefined) return
    await this.#maker.end(shop)
    await closeWorkshop(shop)
  }

  /** If libvirt is away, the next look tells. */
  async #compare(): Promise<void> {
    const shop = await this.#workshop
    if (shop === undefined || this.#looking) return
    this.#looking = true
    const running = await runningMachines(shop).catch(() => undefined)
    this.#looking = false
    if (running !== undefined) this.#watch.compare(running)
  }

  async #prepared(): Promise<Workshop> {
    assert(this.#workshop !== undefined, 'the libvirt driver is used before it is prepared')
    return this.#workshop
  }

  async #recovered(): Promise<Workshop> {
    const shop = await this.#prepared()
    await shop.hypervisor.recovered()
    return shop
  }

  async #slotOf(machine: MachineId): Promise<Slot> {
    const { ledger } = await this.#prepared()
    const number = await ledger.slotOf(machine)
    if (number === undefined) throw absent(machine)
    return slotOf(this.#settings, number)
  }

  async #socketOf(machine: MachineId, kind: SocketKind): Promise<string> {
    return socketPath(this.#layout.daemon, kind, (await this.#slotOf(machine)).number)
  }

  async #domainOf(machine: MachineId): Promise<Domain> {
    const { hypervisor } = await this.#prepared()
    const domain = await hypervisor.find(resourceName(this.#settings.host, machine))
    if (domain === undefined) throw absent(machine)
    return domain
  }
}

const absent = (machine: MachineId): SlipwayError =>
  new SlipwayError('hypervisor_refused', {
    action: 'reach',
    object: machine,
    detail: 'its guest does not run',
  })
