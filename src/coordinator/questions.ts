/** Questions that only an agent can answer. Each ends: with its answer, its deadline, or its agent's connection. */
import type { FromAgent, FromCoordinator } from '../api/index.ts'
import { type Clock, type HostId, SlipwayError } from '../model/index.ts'
import type { AgentLink, Ids } from './ports.ts'

export type Question = Extract<FromCoordinator, { type: 'ask' }>['question']
export type Answer = Extract<FromAgent, { type: 'answer' }>['result']

interface Pending {
  readonly link: AgentLink
  readonly host: HostId
  settle(result: Answer | SlipwayError): void
}

/** Open questions at most, over all hosts. */
const PENDING_MAX = 1_000

export class Questions {
  readonly #clock: Clock
  readonly #ids: Ids
  readonly #pending = new Map<string, Pending>()

  constructor(clock: Clock, ids: Ids) {
    this.#clock = clock
    this.#ids = ids
  }

  /** Asks the agent behind `link`; rejects with `timed_out`, `host_away`, or the failure it answers. */
  ask(
    { link, host }: { readonly link: AgentLink; readonly host: HostId },
    question: Question,
    { deadlineMs }: { readonly deadlineMs: number },
  ): Promise<Answer> {
    if (this.#pending.size >= PENDING_MAX) {
      throw new SlipwayError('too_busy', { what: 'the list of open questions', limit: PENDING_MAX })
    }
    const ask = this.#ids.nonce()
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(deadlineMs, () => {
        settle(new SlipwayError('timed_out', { step: `${question.kind} on host ${host}`, deadlineMs }))
      })
      const settle = (result: Answer | SlipwayError): void => {
        cancel()
        this.#pending.delete(ask)
        if (result instanceof SlipwayError) reject(result)
        else if (result.kind === 'failed') reject(new SlipwayError(result.failure.code, result.failure.args))
        else resolve(result)
      }
      this.#pending.set(ask, { link, host, settle })
      link.send({ type: 'ask', ask, question })
    })
  }

  /** An answer counts only from the agent that was asked. */
  answer(link: AgentLink, { ask, result }: Extract<FromAgent, { type: 'answer' }>): void {
    const pending = this.#pending.get(ask)
    if (pending?.link === link) pending.settle(result)
  }

  /** The connection is gone: what was asked over it will not be answered. */
  abandon(link: AgentLink): void {
    for (const pending of [...this.#pending.values()]) {
      if (pending.link === link) pending.settle(new SlipwayError('host_away', { host: pending.host }))
    }
  }

  close(): void {
    for (const pending of [...this.#pending.values()]) pending.settle(new SlipwayError('shutting_down'))
  }
}

/** The answer if it is of the kind that was asked for. */
export function expectKind<K extends Answer['kind']>(
  answer: Answer,
  { kind, host }: { readonly kind: K; readonly host: HostId },
): Extract<Answer, { kind: K }> {
  if (isKind(answer, kind)) return answer
  throw new SlipwayError('agent_misbehaved', { host, what: `"${answer.kind}" when asked for "${kind}"` })
}

const isKind = <K extends Answer['kind']>(answer: Answer, kind: K): answer is Extract<Answer, { kind: K }> =>
  answer.kind === kind
