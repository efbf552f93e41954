import { mkdir } from 'node:fs/promises'
import { Daemon } from './daemon/index.ts'
import type { MachineWatch } from './events.ts'
import { Hypervisor } from './hypervisor.ts'
import { KitPorts } from './kit-port.ts'
import { parseSlotName } from './names.ts'
import {
  ensureRing,
  NamespaceStock,
  namespaceNames,
  removeNamespace,
  removeRing,
  SlotLedger,
  slotMax,
  slotOf,
} from './network/index.ts'
import {
  type Acceleration,
  type Cloning,
  type Programs,
  probeAcceleration,
  probeCloning,
  probePrograms,
} from './probe/index.ts'
import { listResources, runningMachines } from './resources.ts'
import { type Layout, type LibvirtSettings, layoutOf } from './settings.ts'
import { TemplateStore } from './template/index.ts'
import { TemplateKeys } from './template-keys.ts'

/** A prepared host: what it takes to make machines, find them and remove them. */
export interface Workshop {
  readonly settings: LibvirtSettings
  readonly layout: Layout
  readonly daemon: Daemon
  readonly hypervisor: Hypervisor
  readonly ledger: SlotLedger
  readonly stock: NamespaceStock
  readonly acceleration: Acceleration['acceleration']
  readonly machineType: string
  readonly cloning: Cloning
  readonly templates: TemplateStore
  readonly keys: TemplateKeys
  readonly kits: KitPorts
}

/** What the host's programs say, and whether its hardware virtualizes. Errors: `missing_program`. */
export async function askHost(
  settings: LibvirtSettings,
  signal: AbortSignal,
): Promise<Programs & Acceleration & { readonly cloning: Cloning }> {
  const programs = await probePrograms(signal)
  const acceleration = await probeAcceleration({
    cacheFile: layoutOf(settings).accelerationFile,
    qemuVersion: programs.versions.qemu ?? '',
    signal,
  })
  return { ...programs, ...acceleration, cloning: await probeCloning(signal) }
}

/** Brings up firewall, libvirt and a stock of namespaces, each unless it is there; takes over what already runs. */
export async function openWorkshop(
  settings: LibvirtSettings,
  {
    watch,
    look,
    signal,
  }: { readonly watch: MachineWatch; readonly look: () => void; readonly signal: AbortSignal },
): Promise<Workshop> {
  const layout = layoutOf(settings)
  const { acceleration, machineType, identity, cloning } = await askHost(settings, signal)
  for (const dir of [settings.stateDir, settings.runDir]) await mkdir(dir, { recursive: true, mode: 0o700 })
  const ledger = new SlotLedger(layout.slotsDir, slotMax(settings))
  await ledger.prepare()
  await ensureRing(settings, signal)
  const templates = new TemplateStore({ dir: layout.templatesDir, machinesDir: layout.machinesDir })
  await templates.open()
  const daemon = new Daemon({
    host: settings.host,
    layout: layout.daemon,
    machinesDir: layout.machinesDir,
    readOnlyDirs: [...settings.readOnlyDirs, layout.templatesDir],
    uid: settings.uidBase,
    kvm: acceleration === 'hardware',
  })
  const listeners = { lifecycle: watch.heard.bind(watch), look }
  const hypervisor = await Hypervisor.start(daemon, listeners, signal)
  for (const machine of await runningMachines({ settings, layout, ledger, hypervisor })) watch.expect(machine)
  await dropSpares(settings, ledger)
  const stock = new NamespaceStock({
    ledger,
    slotOf: (number) => slotOf(settings, number),
    resolver: settings.resolver,
    size: settings.stock,
    onError: () => {},
  })
  stock.refill()
  const machines = { acceleration, machineType }
  const keys = new TemplateKeys({ ...machines, cloning, identity })
  return {
    settings,
    layout,
    daemon,
    hypervisor,
    ledger,
    stock,
    templates,
    keys,
    kits: new KitPorts(),
    cloning,
    ...machines,
  }
}

/** Lets go of everything, and ends it unless a machine still needs it. */
export async function closeWorkshop(shop: Workshop): Promise<void> {
  await shop.stock.close()
  await shop.templates.close()
  shop.kits.closeAll()
  const left = (await listResources(shop)).filter(({ kept }) => !kept)
  await shop.hypervisor.close()
  if (left.length > 0) return
  await shop.daemon.stop()
  await removeRing(shop.settings.host)
}

/** What an earlier agent had in stock may be half made. */
async function dropSpares(settings: LibvirtSettings, ledger: SlotLedger): Promise<void> {
  const owners = await ledger.assigned()
  for (const name of await namespaceNames()) {
    const slot = parseSlotName(settings.host, name)
    if (slot !== undefined && !owners.has(slot)) await removeNamespace(slotOf(settings, slot))
  }
}
