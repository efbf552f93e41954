/** A hypervisor of the simulation: what outlives its agent, each change of it seen by the checkers. */
import type { Allegiance } from '../../src/agent/allegiance.ts'
import { parseResourceName, resourceName } from '../../src/agent/drivers/resource-name.ts'
import { type HostSize, type VirtualDomain, VirtualHost } from '../../src/agent/drivers/simulated/index.ts'
import type { Memory } from '../../src/agent/ports.ts'
import type { MachineRecord, Records } from '../../src/agent/records.ts'
import { type HostId, type MachineId, STAMP_ZERO } from '../../src/model/index.ts'
import { decoyNames } from '../conformance/decoys.ts'
import { anySpec } from '../conformance/image.ts'
import type { Evidence, SceneHost } from './evidence.ts'
import type { Random } from './random.ts'

export class SimHost extends VirtualHost implements SceneHost {
  readonly decoys: readonly string[]
  readonly #see: (evidence: Evidence) => void
  #records = new Map<MachineId, MachineRecord>()
  #allegiance: Allegiance = { stamp: STAMP_ZERO }

  constructor(id: HostId, size: HostSize, decoy: MachineId, see: (evidence: Evidence) => void) {
    super(id, size)
    this.#see = see
    for (const name of decoyNames(id, decoy)) {
      this.put({ kind: 'overlay', name, diskMiB: 0 })
      this.put({ kind: 'namespace', name, link: 'up' })
    }
    this.decoys = this.things().map(({ kind, name }) => `${kind}/${name}`)
  }

  records(): readonly MachineRecord[] {
    return [...this.#records.values()]
  }

  /** Machines whose guest runs: whom misfortune may meet. */
  alive(): readonly MachineId[] {
    return this.things().flatMap((thing) => {
      const machine = parseResourceName(this.id, thing.name)
      return machine !== undefined && thing.kind === 'domain' && thing.state === 'running' ? [machine] : []
    })
  }

  /** Records as an agent's port: kept where a power cut wipes them. */
  recordsPort(): Records {
    return {
      load: async () => this.records(),
      put: async (record) => {
        this.#records.set(record.machine, record)
        this.#see({ kind: 'recorded', host: this.id, record })
      },
      remove: async (machine) => void this.#records.delete(machine),
      machines: async () => [...this.#records.keys()],
    }
  }

  /** The agent's long memory, which survives a power cut. */
  memoryPort(): Memory {
    return {
      load: async () => this.#allegiance,
      save: async (allegiance) => {
        this.#allegiance = allegiance
        this.#see({ kind: 'obeyed', host: this.id, stamp: allegiance.stamp })
      },
    }
  }

  override start(domain: VirtualDomain): void {
    super.start(domain)
    const machine = parseResourceName(this.id, domain.name)
    if (machine !== undefined) this.#see({ kind: 'started', host: this.id, machine })
  }

  override endGuest(name: string, kind: 'stopped' | 'crashed', detail: string): void {
    this.#unlucky(name, detail)
    super.endGuest(name, kind, detail)
  }

  override cutPower(): void {
    for (const { kind, name } of this.things()) if (kind === 'domain') this.#unlucky(name, 'power cut')
    const decoys = this.things().filter((thing) => this.decoys.includes(`${thing.kind}/${thing.name}`))
    super.cutPower()
    this.#records = new Map()
    for (const decoy of decoys) this.put(decoy)
  }

  /** A guest ends and the hypervisor's event of it is lost. */
  endUnseen(machine: MachineId): void {
    const domain = this.get('domain', resourceName(this.id, machine))
    if (domain === undefined) return
    this.#unlucky(domain.name, 'ended, and nobody was told')
    domain.state = 'stopped'
  }

  /** What a hypervisor may finish after its caller died: part of a machine that nobody wants, or a record of it. */
  plantStray(machine: MachineId, random: Random): void {
    const name = resourceName(this.id, machine)
    if (random.chance(0.7)) this.put({ kind: 'overlay', name, diskMiB: 0 })
    if (random.chance(0.5)) this.put({ kind: 'namespace', name, link: 'down' })
    if (random.chance(0.5)) {
      this.#records.set(machine, { state: 'creating', machine, spec: anySpec, timeline: [] })
    }
  }

  /** An operator's `rm -rf`, as much of it as the kernel lets happen: a template that no machine lives on is gone. */
  loseTemplate(random: Random): void {
    const things = this.things()
    const inUse = new Set(things.flatMap((thing) => (thing.kind === 'overlay' ? [thing.template] : [])))
    const [first, ...others] = things.flatMap((thing) =>
      thing.kind === 'template' && !inUse.has(thing.template.id) ? [thing.name] : [],
    )
    if (first !== undefined) this.drop('template', random.pick([first, ...others]))
  }

  /** A running guest's agent falls silent: it will be a suspect, and destroyed for it. */
  silence(machine: MachineId): void {
    const domain = this.get('domain', resourceName(this.id, machine))
    if (domain === undefined) return
    this.#unlucky(domain.name, 'its guest agent fell silent')
    domain.guest.behaviour = 'silent'
  }

  #unlucky(name: string, what: string): void {
    const machine = parseResourceName(this.id, name)
    if (machine !== undefined) this.#see({ kind: 'misfortune', machine, what })
  }
}
