/** Answers what the coordinator asks of a host: an audit, a machine's console, another template in place of one. */
import {
  assertNever,
  type MachineId,
  SlipwayError,
  type TemplateId,
  toFailure,
  type WantedMachine,
} from '../model/index.ts'
import { audit } from './audit.ts'
import type { Answer, Question } from './conversation.ts'
import type { Effects } from './effects.ts'
import { type Held, spokenFailure, spokenLines } from './held.ts'
import type { AgentPorts } from './ports.ts'
import { scanHost } from './scan.ts'
import type { Foundry } from './templates/index.ts'

const ASKS_AT_ONCE = 32
const ANSWER_MS = 20_000
/** What is unwanted and still there after this long is a leak, even if it is being removed. */
const REMOVAL_GRACE_MS = 60_000

export interface AskView {
  readonly held: ReadonlyMap<MachineId, Held>
  readonly wanted: ReadonlyMap<MachineId, WantedMachine>
}

export class Asks {
  readonly #ports: AgentPorts
  readonly #effects: Effects
  readonly #foundry: Foundry | undefined
  #open = 0

  constructor(ports: AgentPorts, effects: Effects, foundry: Foundry | undefined) {
    this.#ports = ports
    this.#effects = effects
    this.#foundry = foundry
  }

  /** Gives `say` the answer, a failure included; never throws. `view` is read when it is needed, not before. */
  ask(question: Question, view: () => AskView, say: (answer: Answer) => void): void {
    if (this.#open >= ASKS_AT_ONCE) {
      const args = { what: 'the agent', limit: ASKS_AT_ONCE }
      say({ kind: 'failed', failure: { code: 'too_busy', args } })
      return
    }
    this.#open++
    void this.#effects.run(async () => {
      try {
        say(
          await this.#effects.within(`answering ${question.kind}`, ANSWER_MS, () =>
            this.#answer(question, view),
          ),
        )
      } catch (error) {
        say({
          kind: 'failed',
          failure: spokenFailure(toFailure(error, 'host_setup', { object: question.kind })),
        })
      } finally {
        this.#open--
      }
    })
  }

  async #answer(question: Question, view: () => AskView): Promise<Answer> {
    const { driver, openConsole } = this.#ports
    switch (question.kind) {
      case 'audit':
        return { kind: 'audit', findings: await this.#audit(view) }
      case 'log': {
        const { machine, lines } = question
        return { kind: 'log', lines: spokenLines(await driver.console(machine, { lines }), lines) }
      }
      case 'console':
        await openConsole(question.machine, question.stream, this.#effects.signal)
        return { kind: 'opened' }
      case 'rebuild':
        await this.#templates(question.template).rebuild(question.template)
        return { kind: 'done' }
      case 'remove':
        await this.#templates(question.template).remove(question.template)
        return { kind: 'done' }
      default:
        return assertNever(question)
    }
  }

  #templates(template: TemplateId): Foundry {
    if (this.#foundry !== undefined) return this.#foundry
    throw new SlipwayError('not_found', { kind: 'template', name: template })
  }

  async #audit(view: () => AskView) {
    const before = this.#expected(view())
    const { listed, records } = await scanHost(this.#ports.driver, this.#ports.records)
    const after = this.#expected(view())
    // A look takes time: what has come since it began may be missing in it, and what has gone may be there.
    return audit({
      listed: [...listed, ...records],
      wanted: after.wanted,
      excused: after.wanted.difference(before.wanted).union(before.excused).union(after.excused),
      removing: before.wanted.union(before.removing).union(after.removing),
    })
  }

  #expected({ held, wanted }: AskView) {
    const nowMs = this.#ports.clock.now()
    const machines = (is: (held: Held) => boolean): Set<MachineId> =>
      new Set([...held.values()].filter(is).map(({ machine }) => machine))
    return {
      wanted: new Set(wanted.keys()),
      excused: machines((one) => one.state === 'creating' || 'death' in one),
      removing: machines((one) => one.state === 'destroying' && nowMs - one.sinceMs < REMOVAL_GRACE_MS),
    }
  }
}
