/** Keeps the machines of a host: each message about one moves it through the states of `held.ts`, and only here. */
import {
  type Failure,
  type HostFacts,
  type MachineId,
  type MachineSpec,
  SlipwayError,
} from '../model/index.ts'
import type { DriverEvent } from './drivers/driver.ts'
import type { Held } from './held.ts'
import { Machines } from './machines.ts'
import type { LastWords, Message } from './message.ts'
import type { AgentPorts } from './ports.ts'
import type { Action } from './reconcile.ts'
import type { Yard } from './yard.ts'

type Settled = Extract<Message, { kind: 'made' | 'failed' }>
type Pinged = Extract<Message, { kind: 'pinged' }>

export class Keeper {
  readonly machines = new Machines()
  readonly #ports: AgentPorts
  readonly #yard: Yard
  #attempts = 0

  constructor(ports: AgentPorts, yard: Yard) {
    this.#ports = ports
    this.#yard = yard
  }

  act(action: Action, facts: HostFacts): void {
    const { machine } = action
    const held = this.machines.held.get(machine)
    if (action.kind === 'create') this.#create(machine, action.spec, facts)
    else if (action.kind === 'lose') this.machines.set(neverFound(machine, action.spec))
    else if (held !== undefined && action.kind === 'destroy') this.#destroy(held)
    else if (held !== undefined) this.#clear(held)
  }

  /** A making has ended. One that was given up in the meantime has nobody left to tell. */
  settle(message: Settled): void {
    const held = this.machines.held.get(message.machine)
    if (held?.state !== 'creating' || held.attempt !== message.attempt) return
    const { machine, spec, timeline } = held
    if (message.kind === 'made') {
      this.machines.set({ machine, spec, timeline, state: 'ready', access: message.access })
      this.#ports.events.machineReady(machine, timeline)
      return
    }
    const { failure, consoleTail } = message
    this.machines.set({
      machine,
      spec,
      timeline,
      state: 'dead',
      death: { end: 'failed', failure, consoleTail },
    })
    this.#ports.events.machineFailed(machine, failure)
  }

  lose({ machine, failure, consoleTail }: LastWords): void {
    const held = this.machines.held.get(machine)
    if (held === undefined || !isUp(held)) return
    const { spec, timeline } = held
    this.machines.set({
      machine,
      spec,
      timeline,
      state: 'dead',
      death: { end: 'lost', failure, consoleTail },
    })
    this.#ports.events.machineLost(machine, failure)
  }

  removed(machine: MachineId): void {
    const held = this.machines.held.get(machine)
    if (held?.state === 'clearing') this.machines.set({ ...held, state: 'buried' })
    if (held?.state !== 'destroying') return
    this.machines.drop(machine)
    this.#ports.events.machineGone(machine, this.#ports.clock.now() - held.sinceMs)
  }

  pinged({ machine, failure }: Pinged): void {
    const held = this.machines.held.get(machine)
    if (held === undefined || !isUp(held)) return
    if (failure === undefined && held.state === 'suspect') {
      const { spec, timeline, access } = held
      this.machines.set({ machine, spec, timeline, state: 'ready', access })
      this.#ports.events.machineAnswers(machine)
    }
    if (failure !== undefined && held.state === 'ready') {
      this.machines.set({ ...held, state: 'suspect', failure })
      this.#ports.events.machineSuspect(machine, failure)
    }
  }

  /** The driver saw a guest end that nobody asked to end. Only a guest that stopped itself is the job's failure. */
  heed(event: DriverEvent): void {
    const { machine, kind, detail } = event
    const held = this.machines.held.get(machine)
    if (held === undefined) return
    if (held.state === 'creating') {
      const step = held.timeline.at(-1)?.step ?? 'turn'
      const args = { machine, step, detail: `its guest ${kind}: ${detail}` }
      held.stop(new SlipwayError('create_failed', args))
    }
    if (!isUp(held)) return
    this.#ports.events.driverEvent(event)
    this.#yard.mourn(machine, kind === 'stopped' ? stopped(machine) : lost(machine, `${kind}: ${detail}`))
  }

  /** Its end was missed by the driver. */
  vanished(machine: MachineId): void {
    this.#yard.mourn(machine, lost(machine, 'its guest runs no more'))
  }

  #create(machine: MachineId, spec: MachineSpec, { acceleration }: HostFacts): void {
    const attempt = ++this.#attempts
    const making = this.#yard.make({ machine, spec, attempt, acceleration })
    this.machines.set({ machine, spec, attempt, state: 'creating', ...making })
  }

  #destroy(held: Held): void {
    const { machine, spec, timeline } = held
    this.#yard.destroy(held)
    this.machines.set({ machine, spec, timeline, state: 'destroying', sinceMs: this.#ports.clock.now() })
    if (held.state === 'creating') held.stop(new SlipwayError('cancelled', { what: machine }))
  }

  #clear(held: Held): void {
    if (!('death' in held)) return
    this.#yard.clear(held)
    this.machines.set({ ...held, state: 'clearing' })
  }
}

const isUp = (held: Held) => held.state === 'ready' || held.state === 'suspect'

const stopped = (machine: MachineId): Failure => ({ code: 'machine_stopped', args: { machine } })
const lost = (machine: MachineId, detail: string): Failure => ({
  code: 'machine_lost',
  args: { machine, detail },
})

/** Made, says the coordinator, yet this host has neither record nor resource of it: a reboot, most likely. */
const neverFound = (machine: MachineId, spec: MachineSpec): Held => {
  const failure = lost(machine, 'its host has no trace of it')
  return { machine, spec, timeline: [], state: 'buried', death: { end: 'lost', failure, consoleTail: [] } }
}
