/** A real agent on a simulated host: started, killed between any two of its effects, started anew on what is left. */
import { Agent } from '../../src/agent/agent.ts'
import type { ImageSource } from '../../src/agent/drivers/driver.ts'
import {
  type Effect,
  type GuestBehaviour,
  type SimulatedOptions,
  simulatedDoor,
  simulatedDriver,
} from '../../src/agent/drivers/simulated/index.ts'
import { AgentEvents } from '../../src/agent/events.ts'
import type { AgentPorts, Door, Memory } from '../../src/agent/ports.ts'
import type { Records } from '../../src/agent/records.ts'
import type { FromAgent, FromCoordinator } from '../../src/api/index.ts'
import {
  type Access,
  type Clock,
  type HostFacts,
  type MachineId,
  SlipwayError,
  sleep,
} from '../../src/model/index.ts'
import { anyImage } from '../conformance/image.ts'
import type { End } from './connection.ts'
import { Life } from './life.ts'
import type { Random } from './random.ts'
import type { SimHost } from './sim-host.ts'

export interface AgentWorld {
  readonly clock: Clock
  readonly random: Random
  readonly host: SimHost
  readonly behaviour: (machine: MachineId) => GuestBehaviour
  readonly fault: (effect: Effect, machine: MachineId | undefined) => SlipwayError | undefined
  /** The slowest write of its disk. */
  readonly diskMsMax: number
  /** Templates are replaced then. */
  readonly templateAgeMs: number
  readonly log: (text: string) => void
  /** The agent ended by itself: a bug, upon which its process would start anew. */
  readonly broke: (error: unknown) => void
}

/** One life of an agent's process. */
export class AgentProcess {
  readonly life = new Life()
  readonly agent: Agent
  /** True once it is in control of its host. */
  ready = false

  constructor(world: AgentWorld) {
    this.agent = new Agent(ports(world, this.life), {
      host: world.host.id,
      clonesAtOnce: 2,
      bootMs: BOOT_MS,
      templates: { ageMsMax: world.templateAgeMs, diskMiBMax: TEMPLATES_MIB, hulls: 2 },
    })
    this.#end(world, this.agent.done)
    this.#end(world, this.#start())
  }

  /** Its end of a connection: a dead process neither hears nor speaks. */
  attach(send: (frame: FromAgent) => void): End<FromCoordinator> {
    const { life } = this
    const end = this.agent.connected((frame) => life.now(() => send(frame)))
    return {
      receive: (frame) => life.moment() && end.receive(frame),
      closed: () => life.moment() && end.closed(),
    }
  }

  async #start(): Promise<void> {
    await this.agent.start()
    this.ready = true
  }

  #end(world: AgentWorld, task: Promise<void>): void {
    task.catch((error: unknown) => {
      if (!this.life.alive) return
      this.life.kill()
      world.broke(error)
    })
  }
}

function ports(world: AgentWorld, life: Life): AgentPorts {
  const { host, random } = world
  const clock = life.clock(world.clock)
  const options: SimulatedOptions = { ...world, clock, random: random.next }
  const driver = simulatedDriver(options)
  const disk = { clock, random, life, diskMsMax: world.diskMsMax }
  return {
    driver: {
      ...driver,
      events: ({ signal }) => driver.events({ signal: AbortSignal.any([signal, life.end]) }),
    },
    images,
    records: slowRecords(host.recordsPort(), disk),
    memory: slowMemory(host.memoryPort(), disk),
    clock,
    random: (bytes) => Uint8Array.from({ length: bytes }, () => random.int(0, 255)),
    door: doorOf(options),
    events: new AgentEvents((level, event, fields) => {
      if (life.alive) world.log(`${level} ${event} ${JSON.stringify(fields)}`)
    }),
    facts: () => life.later(async () => factsOf(host)),
    openConsole: async (machine) => {
      throw new SlipwayError('not_found', { kind: 'console', name: machine })
    },
  }
}

interface Disk {
  readonly diskMsMax: number
  readonly clock: Clock
  readonly random: Random
  readonly life: Life
}

/** A disk takes its time, and the process may die before or after the write. */
const slow = async <T>({ clock, random, life, diskMsMax }: Disk, effect: () => Promise<T>): Promise<T> => {
  await sleep(clock, random.next() * diskMsMax)
  return life.later(effect)
}

const slowRecords = (records: Records, disk: Disk): Records => ({
  load: () => slow(disk, () => records.load()),
  put: (record) => slow(disk, () => records.put(record)),
  remove: (machine) => slow(disk, () => records.remove(machine)),
  machines: () => slow(disk, () => records.machines()),
})

const slowMemory = (memory: Memory, disk: Disk): Memory => ({
  load: () => slow(disk, () => memory.load()),
  save: (allegiance) => slow(disk, () => memory.save(allegiance)),
})

function doorOf(options: SimulatedOptions): Door {
  const door = simulatedDoor(options)
  return (access, { signal }) => door(access, publicHalf(access), signal)
}

/** OpenSSH's PROTOCOL.key: magic, cipher, KDF and its options, a count, then the public half. */
function publicHalf({ privateKey }: Access): string {
  const lines = privateKey
    .reveal()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('-'))
  const blob = Buffer.from(lines.join(''), 'base64')
  let at = 'openssh-key-v1\0'.length
  const field = (): Buffer => {
    const start = at + 4
    at = start + blob.readUInt32BE(at)
    return blob.subarray(start, at)
  }
  for (let skipped = 0; skipped < 3; skipped++) field()
  at += 4
  return `ssh-ed25519 ${field().toString('base64')}`
}

const images: ImageSource = {
  list: async () => [{ ...anyImage, diskMiB: 1 }],
  find: async () => ({ manifest: anyImage, disk: '/simulated/disk.qcow2' }),
}

const factsOf = ({ id, size, cloning }: SimHost): HostFacts => ({
  host: id,
  version: '0',
  acceleration: 'hardware',
  capacity: { ...size, diskMiB: size.diskMiB - TEMPLATES_MIB },
  cloning: { mode: cloning, evidence: 'simulated' },
  images: [
    { digest: anyImage.digest, name: anyImage.name, version: '1', builtAt: anyImage.builtAt, diskMiB: 1 },
  ],
})

const BOOT_MS = 30_000
/** Of a host's disk, for all its templates. */
export const TEMPLATES_MIB = 3_072
