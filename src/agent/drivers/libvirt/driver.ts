import { availableParallelism, release, totalmem } from 'node:os'
import type { Domain } from '../../../libvirt/index.ts'
import { assert, type MachineId, SlipwayError } from '../../../model/index.ts'
import type {
  Clone,
  CloneRequest,
  ConsoleStream,
  Driver,
  DriverEvent,
  DriverFacts,
  GuestChannel,
  Resource,
} from '../driver.ts'
import { resourceName } from '../resource-name.ts'
import { attachConsole, consoleTail } from './console.ts'
import { ensureDirectory } from './directory.ts'
import { MachineWatch } from './events.ts'
import { guestChannel } from './guest-channel.ts'
import { makeMachine } from './machine.ts'
import { closeLink, openLink, type Slot, slotOf } from './network/index.ts'
import { freeDiskMiB, machineFiles } from './overlay.ts'
import { listResources, removeResource, runningMachines } from './resources.ts'
import { consolePath, type Layout, type LibvirtSettings, layoutOf } from './settings.ts'
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
  /** Machines being made, each with what ends it. */
  readonly #making = new Map<
    MachineId,
    { readonly abort: AbortController; readonly ended: Promise<unknown> }
  >()
  #workshop: Promise<Workshop> | undefined
  #looking = false

  constructor(settings: LibvirtSettings) {
    this.#settings = settings
    this.#layout = layoutOf(settings)
    this.#watch = new MachineWatch(settings.host)
  }

  async probe({ signal }: Signalled): Promise<DriverFacts> {
    const { versions, acceleration, evidence } = await askHost(this.#settings, signal)
    await ensureDirectory(this.#layout.machinesDir, 0o711)
    return {
      acceleration,
      evidence,
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
    const { machine, signal } = request
    signal.throwIfAborted()
    const shop = await this.#prepared()
    if (this.#making.has(machine)) throw conflict(machine, 'it is being made')
    const abort = new AbortController()
    const work = this.#make(shop, { ...request, signal: AbortSignal.any([signal, abort.signal]) })
    this.#making.set(machine, { abort, ended: work.catch(() => {}) })
    try {
      return await work
    } finally {
      this.#making.delete(machine)
    }
  }

  async link(machine: MachineId, state: 'up' | 'down', { signal }: Signalled): Promise<void> {
    const slot = await this.#slotOf(machine)
    await (state === 'up' ? openLink(slot, signal) : closeLink(slot, signal))
  }

  guest(machine: MachineId): GuestChannel {
    const channel = async (): Promise<GuestChannel> => {
      const { hypervisor } = await this.#prepared()
      return guestChannel({ machine, caller: hypervisor.caller, domain: () => this.#domainOf(machine) })
    }
    return {
      sync: async (options) => (await channel()).sync(options),
      time: async (options) => (await channel()).time(options),
      exec: async (path, args, options) => (await channel()).exec(path, args, options),
    }
  }

  async destroy(machine: MachineId): Promise<void> {
    const making = this.#making.get(machine)
    making?.abort.abort(new SlipwayError('cancelled', { what: `making ${machine}` }))
    await making?.ended
    await this.#raze(await this.#prepared(), machine)
  }

  async list(): Promise<readonly Resource[]> {
    return listResources(await this.#recovered())
  }

  async running(): Promise<ReadonlySet<MachineId>> {
    return runningMachines(await this.#recovered())
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
    const { number } = await this.#slotOf(machine)
    this.#readers.get(machine)?.abort(new SlipwayError('cancelled', { what: 'an earlier console' }))
    const reader = new AbortController()
    const end = AbortSignal.any([signal, reader.signal])
    this.#readers.set(machine, reader)
    end.addEventListener('abort', () => {
      if (this.#readers.get(machine) === reader) this.#readers.delete(machine)
    })
    return attachConsole(consolePath(this.#layout.daemon, number), { machine, signal: end })
  }

  events({ signal }: Signalled): AsyncIterable<DriverEvent> {
    return this.#watch.subscribe(signal)
  }

  async close(): Promise<void> {
    const shop = await this.#workshop
    this.#workshop = undefined
    if (shop === undefined) return
    await Promise.all([...this.#making.values()].map(({ ended }) => ended))
    await closeWorkshop(shop)
  }

  async #make(shop: Workshop, request: CloneRequest): Promise<Clone> {
    const { machine } = request
    const there = await listResources(shop, machine)
    if (there[0] !== undefined) throw conflict(machine, `its ${there[0].kind} exists`)
    try {
      const clone = await makeMachine(shop, request)
      this.#watch.expect(machine)
      return clone
    } catch (error) {
      await this.#raze(shop, machine)
      throw error
    }
  }

  /** In the order of the list: nothing is taken away from under a living QEMU. */
  async #raze(shop: Workshop, machine: MachineId): Promise<void> {
    this.#watch.forget(machine)
    await shop.hypervisor.recovered()
    for (const resource of await listResources(shop, machine)) await removeResource(shop, resource)
    shop.stock.refill()
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

  async #domainOf(machine: MachineId): Promise<Domain> {
    const { hypervisor } = await this.#prepared()
    const domain = await hypervisor.find(resourceName(this.#settings.host, machine))
    if (domain === undefined) throw absent(machine)
    return domain
  }
}

const conflict = (machine: MachineId, detail: string): SlipwayError =>
  new SlipwayError('conflict', { kind: 'machine', name: machine, detail })

const absent = (machine: MachineId): SlipwayError =>
  new SlipwayError('hypervisor_refused', {
    action: 'reach',
    object: machine,
    detail: 'its guest does not run',
  })
