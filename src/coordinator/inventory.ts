/** What the operator may see and do: machines, hosts, and what only their agents can tell. */
import type { MachineView, Reply, TemplateView } from '../api/index.ts'
import {
  type Failure,
  type Flavor,
  type FlavorName,
  type HostId,
  type MachineId,
  SlipwayError,
  type TemplateId,
} from '../model/index.ts'
import type { Events } from './events.ts'
import type { LeaseBook } from './lease-book.ts'
import type { HeldMachine } from './plan/index.ts'
import type { Ports } from './ports.ts'
import { type Answer, expectKind, type Question, type Questions } from './questions.ts'
import type { State } from './state.ts'
import { templateViews } from './template-views.ts'
import { accessView, hostView, machineView } from './views.ts'

const QUESTION_MS = 10_000
const LOG_LINES = 100

export class Inventory {
  readonly #state: State
  readonly #ports: Ports
  readonly #events: Events
  readonly #book: LeaseBook
  readonly #questions: Questions
  readonly #flavors: ReadonlyMap<FlavorName, Flavor>

  constructor(parts: {
    readonly state: State
    readonly ports: Ports
    readonly events: Events
    readonly book: LeaseBook
    readonly questions: Questions
    readonly flavors: ReadonlyMap<FlavorName, Flavor>
  }) {
    this.#state = parts.state
    this.#ports = parts.ports
    this.#events = parts.events
    this.#book = parts.book
    this.#questions = parts.questions
    this.#flavors = parts.flavors
  }

  machines(): MachineView[] {
    return [...this.#state.machines.values()].map((machine) => machineView(machine, this.#state))
  }

  machine(id: MachineId): MachineView {
    return machineView(this.#machine(id), this.#state)
  }

  access(id: MachineId): Reply<'machineAccess'> {
    const { access, host } = this.#machine(id)
    if (!access) throw new SlipwayError('host_away', { host })
    return accessView(access)
  }

  /** Takes a machine away; its lease ends as lost. */
  remove(id: MachineId): MachineView {
    const machine = this.#machine(id)
    const live = machine.lease === undefined ? undefined : this.#state.leases.get(machine.lease)
    const failure: Failure = { code: 'machine_removed', args: { machine: id } }
    if (live) this.#book.settle({ ends: [{ live, end: 'lost', failure }], grants: [] })
    else {
      this.#state.doom(machine, this.#ports.clock.now())
      this.#events.machineDoomed({ machine: id, why: 'removed' })
    }
    return this.machine(id)
  }

  /** The machine's last console lines, newest last. */
  async log(id: MachineId, lines = LOG_LINES): Promise<readonly string[]> {
    const { host } = this.#machine(id)
    const answer = await this.#ask(host, { kind: 'log', machine: id, lines })
    return expectKind(answer, { kind: 'log', host }).lines
  }

  /** Asks the machine's agent to open a stream of this name onto its console. */
  async openConsole(id: MachineId, stream: string): Promise<void> {
    const { host } = this.#machine(id)
    expectKind(await this.#ask(host, { kind: 'console', machine: id, stream }), { kind: 'opened', host })
  }

  templates(): TemplateView[] {
    return [...this.#state.hosts.values()].flatMap((host) => templateViews(host, this.#flavors))
  }

  /** Asks the template's host for a successor of it, or to remove it; returns it as it was. */
  async changeTemplate(id: TemplateId, kind: 'rebuild' | 'remove'): Promise<TemplateView> {
    const found = this.templates().find(({ template }) => 'id' in template && template.id === id)
    if (!found) throw new SlipwayError('not_found', { kind: 'template', name: id })
    const { host } = found
    expectKind(await this.#ask(host, { kind, template: id }), { kind: 'done', host })
    return found
  }

  hosts(): Reply<'hostList'>['hosts'] {
    return [...this.#state.hosts.values()].map((host) => hostView(host, this.#state))
  }

  /** What each host finds when it compares what is there with what should be. A host that cannot say is a finding. */
  async audit(): Promise<Reply<'audit'>['hosts']> {
    return Promise.all([...this.#state.hosts.keys()].map((host) => this.#auditOf(host)))
  }

  async #auditOf(host: HostId): Promise<Reply<'audit'>['hosts'][number]> {
    try {
      const answer = await this.#ask(host, { kind: 'audit' })
      return { host, findings: expectKind(answer, { kind: 'audit', host }).findings }
    } catch (error) {
      if (!(error instanceof SlipwayError)) throw error
      return { host, findings: [{ kind: 'host', name: host, problem: 'missing' }] }
    }
  }

  #machine(id: MachineId): HeldMachine {
    const machine = this.#state.machines.get(id)
    if (!machine) throw new SlipwayError('not_found', { kind: 'machine', name: id })
    return machine
  }

  async #ask(host: HostId, question: Question): Promise<Answer> {
    const link = this.#state.hosts.get(host)?.link
    if (!link) throw new SlipwayError('host_away', { host })
    return this.#questions.ask({ link, host }, question, { deadlineMs: QUESTION_MS })
  }
}
