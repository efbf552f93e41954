/** A host as the coordinator meets it: it obeys its wanted set at once, and machines become what the test says. */
import type { FromAgent, FromCoordinator, MachineReportFrame } from '../../src/api/index.ts'
import { fromAgent } from '../../src/api/server.ts'
import type { AgentSession, Coordinator } from '../../src/coordinator/index.ts'
import { type Failure, type HostFacts, type MachineId, parseId, type Stamp } from '../../src/model/index.ts'

type Wanted = Extract<FromCoordinator, { type: 'wanted' }>
type Spec = Wanted['machines'][number]['spec']

export const LOST: Failure = { code: 'machine_lost', args: { machine: 'm', detail: 'test' } }
export const FAILED: Failure = { code: 'create_failed', args: { machine: 'm', step: 'boot', detail: 'test' } }

export class FakeHost {
  facts: HostFacts
  database: string | undefined
  stamp: Stamp = { epoch: 0, generation: 0 }
  /** Everything that exists on this host. */
  readonly machines = new Map<MachineId, MachineReportFrame>()
  readonly received: FromCoordinator[] = []
  /** Machines in the order this host first heard of them. */
  readonly named: MachineId[] = []
  closedByCoordinator = false
  /** False: destroyed machines linger as `destroying` until `finish`. */
  destroysAtOnce = true
  /** False: wanted sets are kept, not obeyed. */
  obeys = true
  #session: AgentSession | undefined

  constructor(facts: HostFacts) {
    this.facts = facts
  }

  get host() {
    return this.facts.host
  }

  connect(coordinator: Coordinator): this {
    this.closedByCoordinator = false
    const session = coordinator.agentConnected({
      send: (frame) => this.take(frame),
      close: () => {
        this.closedByCoordinator = true
        session.closed()
      },
    })
    this.attach(session)
    this.hello()
    return this
  }

  /** Speaks over this session from now on. */
  attach(session: AgentSession): void {
    this.#session = session
  }

  /** Hears a frame. */
  take(frame: FromCoordinator): void {
    this.received.push(frame)
    if (frame.type === 'welcome') this.database = frame.database
    if (frame.type === 'wanted' && this.obeys) this.#obey(frame)
  }

  hello(change: Partial<Extract<FromAgent, { type: 'hello' }>> = {}): void {
    this.send({
      type: 'hello',
      host: this.facts.host,
      version: this.facts.version,
      ...(this.database === undefined ? {} : { database: this.database }),
      stamp: this.stamp,
      facts: this.facts,
      machines: [...this.machines.values()],
      ...change,
    })
  }

  disconnect(): void {
    this.#session?.closed()
    this.#session = undefined
  }

  report(): void {
    this.send({
      type: 'report',
      full: true,
      stamp: this.stamp,
      facts: this.facts,
      machines: [...this.machines.values()],
      gone: [],
    })
  }

  send(frame: FromAgent): void {
    this.#session?.receive(fromAgent.parse(structuredClone(frame)))
  }

  /** The nth machine this host was told to make, from 0. */
  nth(n: number): MachineId {
    const machine = this.named[n]
    if (machine === undefined) throw new Error(`host ${this.host} was told of ${this.named.length} machines`)
    return machine
  }

  ready(machine: MachineId): void {
    this.becomes(machine, (it) => ({
      ...it,
      state: 'ready',
      access: accessOf(machine),
      timeline: [{ step: 'ready', atMs: 500 }],
    }))
  }
  suspect(machine: MachineId): void {
    this.becomes(machine, (it) => ({ ...it, state: 'suspect', access: accessOf(machine), failure: LOST }))
  }
  fail(machine: MachineId): void {
    this.becomes(machine, (it) => ({ ...it, state: 'failed', failure: FAILED, consoleTail: ['panic'] }))
  }
  lose(machine: MachineId, failure: Failure = LOST): void {
    this.becomes(machine, (it) => ({ ...it, state: 'lost', failure, consoleTail: ['gone'] }))
  }

  becomes(
    machine: MachineId,
    change: (it: { machine: MachineId; spec: Spec; timeline: [] }) => MachineReportFrame,
  ): void {
    const known = this.machines.get(machine)
    if (!known) throw new Error(`${machine} is not on host ${this.host}`)
    const next = change({ machine, spec: known.spec, timeline: [] })
    this.machines.set(machine, next)
    this.send({ type: 'report', full: false, stamp: this.stamp, machines: [next], gone: [] })
  }

  /** Removes what lingers. */
  finish(): void {
    const gone = [...this.machines.values()]
      .filter(({ state }) => state === 'destroying')
      .map(({ machine }) => machine)
    for (const machine of gone) this.machines.delete(machine)
    this.send({ type: 'report', full: false, stamp: this.stamp, machines: [], gone })
  }

  #obey({ stamp, machines }: Wanted): void {
    this.stamp = stamp
    const changed: MachineReportFrame[] = []
    const gone: MachineId[] = []
    const wanted = new Set(machines.map(({ machine }) => machine))
    for (const [machine, { spec, state }] of this.machines) {
      if (wanted.has(machine)) continue
      if (this.destroysAtOnce || state === 'failed' || state === 'lost') {
        this.machines.delete(machine)
        gone.push(machine)
      } else if (state !== 'destroying') {
        const dying: MachineReportFrame = { machine, spec, timeline: [], state: 'destroying' }
        this.machines.set(machine, dying)
        changed.push(dying)
      }
    }
    for (const { machine, spec, made } of machines) {
      if (this.machines.has(machine)) continue
      const it = { machine, spec, timeline: [] }
      const next: MachineReportFrame = made
        ? { ...it, state: 'lost', failure: LOST, consoleTail: [] }
        : { ...it, state: 'creating' }
      if (!made) this.named.push(machine)
      this.machines.set(machine, next)
      changed.push(next)
    }
    this.send({ type: 'report', full: false, stamp, machines: changed, gone })
  }
}

export const machineId = (n: number): MachineId => parseId('MachineId', `m-${String(n).padStart(26, '9')}`)

const accessOf = (machine: MachineId) => ({
  address: '10.0.0.1',
  port: 22,
  user: 'job',
  hostKey: `ssh-ed25519 ${machine}`,
  privateKey: `key of ${machine}`,
})
