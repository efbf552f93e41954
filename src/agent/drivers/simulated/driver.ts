/**
 * A driver without a hypervisor: machines are data on a `VirtualHost`. For the simulation, for trying Slipway where
 * nothing can be virtualized, and as the shortest example of the contract. It runs no job.
 */
import { assert, type MachineId, SlipwayError, type TemplateId } from '../../../model/index.ts'
import { BegunHulls } from '../begun-hulls.ts'
import type { Driver, DriverEvent, Resource } from '../driver.ts'
import { Inbox } from '../inbox.ts'
import { parseResourceName, resourceName, sharedName } from '../resource-name.ts'
import { channelTo } from './channel.ts'
import { attach, readConsole } from './console.ts'
import { effectsOf } from './effects.ts'
import type { VirtualGuest } from './guest.ts'
import type { VirtualHost } from './host.ts'
import { hullsOf } from './hull.ts'
import type { SimulatedOptions } from './options.ts'
import { templatesOf } from './template.ts'

/** One agent's driver of `options.host`; a later one, made after a restart, finds what this one left. */
export function simulatedDriver(options: SimulatedOptions): Driver {
  const { host } = options
  const act = effectsOf(options)
  const nameOf = (machine: MachineId): string => resourceName(host.id, machine)
  const uplink = sharedName(host.id, 'uplink')
  const own = new Set<MachineId>()
  const begun = new BegunHulls()
  const hulls = new Map<MachineId, TemplateId>()
  const going = new Map<MachineId, Promise<void>>()

  const raze = async (machine: MachineId): Promise<void> => {
    const name = nameOf(machine)
    if (host.get('domain', name) !== undefined) await act('end', machine, () => host.drop('domain', name))
    for (const kind of ['namespace', 'overlay'] as const) {
      if (host.get(kind, name) !== undefined) await act('remove', machine, () => host.drop(kind, name))
    }
  }

  const destroy = async (machine: MachineId): Promise<void> => {
    if (!hulls.delete(machine)) return raze(machine)
    const gone = raze(machine)
    going.set(
      machine,
      gone.catch(() => {}),
    )
    try {
      await gone
    } finally {
      going.delete(machine)
      // What could not be destroyed is found by its name.
      own.delete(machine)
    }
  }

  return {
    name: 'simulated (no real machines)',
    probe: ({ signal }) =>
      act(
        'probe',
        undefined,
        () => ({
          acceleration: 'hardware',
          evidence: 'simulated: nothing was tried',
          versions: { simulated: host.version },
          cloning: { mode: host.cloning, evidence: 'simulated: nothing was tried' },
          ...host.size,
        }),
        signal,
      ),
    prepare: ({ signal }) =>
      act('prepare', undefined, () => host.put({ kind: 'uplink', name: uplink }), signal),
    ...hullsOf(options, act, { own, begun, hulls, going, destroy }),
    ...templatesOf(options, act, { own, begun, hulls, destroy }),
    link: (machine, state, { signal }) =>
      act('link', machine, () => setLink(host, nameOf(machine), state), signal),
    guest: (machine) => channelTo(options, act, machine),
    destroy,
    list: () => act('list', undefined, () => listed(host).map((resource) => disown(resource, own))),
    running: () => act('list', undefined, () => running(host, own)),
    remove: (resource) => act('remove', resource.machine, () => removeOurs(host, resource)),
    console: async (machine, { lines }) => readConsole(host.get('domain', nameOf(machine))?.guest, lines),
    attachConsole: async (machine, { signal }) => attach(runningGuest(host, nameOf(machine)), signal),
    events: ({ signal }) => eventsOf(host, signal),
    async close() {
      for (const hull of hulls.keys()) await destroy(hull)
      if (listed(host).some((resource) => resource.machine !== undefined)) return
      await act('remove', undefined, () => host.drop('uplink', uplink))
    },
  }
}

/** Ours by name alone, whatever it is and whoever left it. */
function listed(host: VirtualHost): readonly Resource[] {
  return host.things().flatMap(({ kind, name }): readonly Resource[] => {
    const machine = parseResourceName(host.id, name)
    if (machine !== undefined) return [{ kind, name, machine }]
    return name === sharedName(host.id, 'uplink') ? [{ kind, name, kept: true }] : []
  })
}

/** What only the driver knows of is nobody's machine while this driver lives. */
const disown = ({ kind, name, machine, kept }: Resource, own: ReadonlySet<MachineId>): Resource => {
  if (machine === undefined) return kept ? { kind, name, kept } : { kind, name }
  return own.has(machine) ? { kind, name, kept: true } : { kind, name, machine }
}

function running(host: VirtualHost, own: ReadonlySet<MachineId>): ReadonlySet<MachineId> {
  const machines = new Set<MachineId>()
  for (const thing of host.things()) {
    const machine = parseResourceName(host.id, thing.name)
    if (machine === undefined || own.has(machine)) continue
    if (thing.kind === 'domain' && thing.state === 'running') machines.add(machine)
  }
  return machines
}

function removeOurs(host: VirtualHost, { kind, name }: Resource): void {
  const ours = parseResourceName(host.id, name) !== undefined || name === sharedName(host.id, 'uplink')
  assert(ours, `asked to remove ${kind} ${name}, which is not ours`)
  host.drop(kind, name)
}

function setLink(host: VirtualHost, name: string, state: 'up' | 'down'): void {
  const namespace = host.get('namespace', name)
  if (namespace === undefined) throw refused('set the link of', name, 'it has no namespace')
  namespace.link = state
}

function runningGuest(host: VirtualHost, name: string): VirtualGuest {
  const domain = host.get('domain', name)
  if (domain?.state !== 'running') throw refused('attach to', name, 'its guest does not run')
  return domain.guest
}

const refused = (action: string, object: string, detail: string): SlipwayError =>
  new SlipwayError('hypervisor_refused', { action, object, detail })

/** Watches from the call on, not from the first read on: no event is lost between the two. */
function eventsOf(host: VirtualHost, signal: AbortSignal): AsyncIterable<DriverEvent> {
  const inbox = new Inbox<DriverEvent>(EVENTS_MAX, signal)
  const stop = host.watch((event) => inbox.put(event))
  signal.addEventListener('abort', stop, { once: true })
  return inbox
}

const EVENTS_MAX = 1_000
