/** For this folder's tests: a simulated host under a virtual clock, agents on it, and the coordinator's end of the line. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Agent } from '../../src/agent/agent.ts'
import type { Driver } from '../../src/agent/drivers/driver.ts'
import { resourceName } from '../../src/agent/drivers/resource-name.ts'
import {
  type GuestBehaviour,
  simulatedDoor,
  simulatedDriver,
  VirtualHost,
} from '../../src/agent/drivers/simulated/index.ts'
import { AgentEvents } from '../../src/agent/events.ts'
import { publicLineOf } from '../../src/agent/key-pair.ts'
import { volatileMemory } from '../../src/agent/memory.ts'
import type { AgentPorts } from '../../src/agent/ports.ts'
import { memoryRecords } from '../../src/agent/records.ts'
import type { FromAgent, FromCoordinator, MachineReportFrame } from '../../src/api/index.ts'
import { fromAgent } from '../../src/api/server.ts'
import { type HostFacts, type MachineId, parseId, SlipwayError, type Stamp } from '../../src/model/index.ts'
import { anyImage, anySpec } from '../conformance/image.ts'
import { VirtualClock } from '../sim/virtual-clock.ts'

export { anySpec }

export const HOST = parseId('HostId', 'local')
export const DATABASE = `d-${'0'.repeat(26)}`
export const machineOf = (n: number): MachineId => parseId('MachineId', `m-${String(n).padStart(26, '0')}`)

/** Draws that repeat from run to run, no two alike. */
export function counted(): (bytes: number) => Uint8Array {
  let draws = 0
  return (bytes) => {
    const buffer = Buffer.alloc(bytes, 7)
    buffer.writeUInt32BE(++draws)
    return buffer
  }
}

export class World {
  readonly clock = new VirtualClock()
  readonly host = new VirtualHost(HOST, { vcpus: 8, memoryMiB: 1_000_000, diskMiB: 1_000_000 })
  readonly behaviours = new Map<MachineId, GuestBehaviour>()
  readonly events: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[] = []
  /** What survives an agent's process. */
  readonly records = memoryRecords()
  readonly memory = volatileMemory()
  readonly driver: Driver
  readonly ports: AgentPorts
  agent: Agent

  /** `spoil` replaces ports; given the driver, it may pass on to it. */
  constructor(spoil: (driver: Driver, clock: VirtualClock) => Partial<AgentPorts> = () => ({})) {
    const { clock, host } = this
    const options = {
      host,
      clock,
      random: () => 0.5,
      behaviour: (machine: MachineId) => this.behaviours.get(machine) ?? 'honest',
    }
    const door = simulatedDoor(options)
    this.driver = simulatedDriver(options)
    this.ports = {
      clock,
      driver: this.driver,
      images: {
        list: async () => [],
        find: async (digest) => {
          if (digest === anyImage.digest) return { manifest: anyImage, disk: '/nowhere' }
          throw new SlipwayError('unknown_image', { image: digest, known: 'tiny' })
        },
      },
      records: this.records,
      memory: this.memory,
      random: counted(),
      door: (access, { signal }) => door(access, publicLineOf(access.privateKey), signal),
      events: new AgentEvents((_level, event, fields) => void this.events.push({ event, fields })),
      facts: async () => facts,
      openConsole: async () => undefined,
      ...spoil(this.driver, clock),
    }
    this.agent = this.newAgent()
  }

  newAgent(clonesAtOnce = 2): Agent {
    return new Agent(this.ports, { host: HOST, clonesAtOnce, bootMs: 30_000 })
  }

  /** Lets what is under way come to rest, then `durationMs` pass. */
  async pass(durationMs: number): Promise<void> {
    await nextTurn()
    await this.clock.runUntil(this.clock.now() + durationMs)
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    const flight = new AbortController()
    void promise.catch(() => undefined).finally(() => flight.abort())
    await this.clock.fly(flight.signal)
    return promise
  }

  start(): Promise<void> {
    return this.settle(this.agent.start())
  }

  connect(): Line {
    return new Line(this.agent)
  }

  /** Names of everything on the host that is a machine's. */
  things(): string[] {
    return this.host.things().flatMap(({ kind, name }) => (kind === 'uplink' ? [] : [`${kind} ${name}`]))
  }

  endGuest(machine: MachineId, kind: 'stopped' | 'crashed'): void {
    this.host.endGuest(resourceName(HOST, machine), kind, 'by the test')
  }
}

/** The coordinator's end of a connection: keeps every frame, each checked against the stream's schema. */
export class Line {
  readonly heard: FromAgent[] = []
  readonly #end: ReturnType<Agent['connected']>
  #generation = 0

  constructor(agent: Agent) {
    this.#end = agent.connected((frame) => {
      this.heard.push(fromAgent.parse(JSON.parse(JSON.stringify(frame))))
    })
  }

  say(frame: FromCoordinator): void {
    this.#end.receive(frame)
  }

  welcome(database = DATABASE, epoch = 1): this {
    this.say({ type: 'welcome', database, epoch })
    return this
  }

  want(machines: readonly MachineId[], { made = false, stamp = this.next(), spec = {} } = {}): Stamp {
    this.say({
      type: 'wanted',
      stamp,
      machines: machines.map((machine) => ({
        machine,
        reservation: parseId('ReservationId', `r-${machine.slice(2)}`),
        spec: { ...anySpec, network: { allow: [] }, ...spec },
        made,
      })),
    })
    return stamp
  }

  next(): Stamp {
    return { epoch: 1, generation: ++this.#generation }
  }

  close(): void {
    this.#end.closed()
  }

  /** The states `machine` was last said to be in, `gone` included, oldest first, without repeats. */
  story(machine: MachineId): string[] {
    const states = this.heard.flatMap((frame): string[] => {
      if (frame.type === 'answer') return []
      const reported = frame.machines.filter((one) => one.machine === machine).map(({ state }) => state)
      if (frame.type === 'hello') return reported
      const gone = frame.gone.includes(machine) || (frame.full && reported.length === 0)
      return gone ? [...reported, 'gone'] : reported
    })
    return states.filter((state, n) => state !== states[n - 1])
  }

  last(machine: MachineId): MachineReportFrame | undefined {
    return this.heard
      .flatMap((frame) => (frame.type === 'answer' ? [] : frame.machines))
      .findLast((one) => one.machine === machine)
  }
}

export const facts: HostFacts = {
  host: HOST,
  version: '0.1.0',
  acceleration: 'hardware',
  capacity: { vcpus: 8, memoryMiB: 8192, diskMiB: 65_536 },
  images: [],
}
