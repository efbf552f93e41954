/**
 * One connection to the coordinator: says hello until it is welcomed, then reports. Any frame may be lost, so nothing
 * here waits for an answer: what was not heard is said again with the next full report.
 */
import type { FromAgent, FromCoordinator, MachineReportFrame } from '../api/index.ts'
import type { HostFacts, HostId, MachineId, Stamp } from '../model/index.ts'
import type { Allegiance } from './allegiance.ts'
import type { Send } from './ports.ts'

export type Answer = Extract<FromAgent, { type: 'answer' }>['result']
export type Question = Extract<FromCoordinator, { type: 'ask' }>['question']

export interface News {
  readonly machines: readonly MachineReportFrame[]
  readonly facts: HostFacts
}

export class Conversation {
  /** True once the coordinator's greeting was accepted: before that, no wanted set of this connection counts. */
  welcomed = false
  readonly #send: Send

  constructor(send: Send) {
    this.#send = send
  }

  hello(host: HostId, { database, stamp }: Allegiance, { machines, facts }: News): void {
    this.#send({
      type: 'hello',
      host,
      version: facts.version,
      ...(database === undefined ? {} : { database }),
      stamp,
      facts: spokenFacts(facts),
      machines: [...machines],
    })
  }

  reportAll(stamp: Stamp, { machines, facts }: News): void {
    this.#send({
      type: 'report',
      full: true,
      stamp,
      facts: spokenFacts(facts),
      machines: [...machines],
      gone: [],
    })
  }

  reportChanges(stamp: Stamp, machines: readonly MachineReportFrame[], gone: readonly MachineId[]): void {
    this.#send({ type: 'report', full: false, stamp, machines: [...machines], gone: [...gone] })
  }

  answer(ask: string, result: Answer): void {
    this.#send({ type: 'answer', ask, result })
  }
}

const spokenFacts = (facts: HostFacts) => ({ ...facts, images: [...facts.images] })
