/** One connection through a tunnel: bytes both ways, the server's only once they are judged. */
import { connect as dial, type Socket } from 'node:net'
import { Transform, type TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { PinnedKey } from '../../../guest/index.ts'
import { type Access, SlipwayError } from '../../../model/index.ts'
import { ServerSide } from './server-side.ts'

export interface Far {
  readonly access: Pick<Access, 'address' | 'port'>
  readonly pinned: PinnedKey
  /** Named in errors. */
  readonly instance: string
  readonly exchangeMs?: number
  readonly closingMs?: number
}

/** For reaching the machine and for its first key exchange together. */
const EXCHANGE_MS = 15_000
/** For one side to close, once the other has. */
const CLOSING_MS = 30_000
const KEEPALIVE_MS = 30_000
export const SOCKET = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEPALIVE_MS,
} as const

/** Carries `near` to the machine until both sides are closed; gives what was wrong if the machine never showed its key. */
export async function carry(near: Socket, options: Far): Promise<SlipwayError | undefined> {
  const { access, instance, pinned, exchangeMs = EXCHANGE_MS, closingMs = CLOSING_MS } = options
  const far = dial({ host: access.address, port: access.port, ...SOCKET })
  const verdict = new Verdict(instance)
  for (const event of ['end', 'error', 'close']) near.once(event, () => verdict.clientLeft())
  far.once('error', ({ message }) => verdict.failed(message))
  far.once('end', () => verdict.failed('the connection closed'))
  const late = setTimeout(() => {
    verdict.failed(`no key exchange in ${exchangeMs} ms`)
    far.destroy()
  }, exchangeMs)
  const gate = new Gate(new ServerSide({ pinned, machine: instance }), (error) => {
    clearTimeout(late)
    verdict.given(error)
  })
  let closing: NodeJS.Timeout | undefined
  const closed = (): void => {
    closing ??= setTimeout(() => far.destroy(), closingMs)
  }
  // Either one that fails ends the other with it.
  await Promise.allSettled([pipeline(near, far).then(closed), pipeline(far, gate, near).then(closed)])
  clearTimeout(late)
  clearTimeout(closing)
  near.destroy()
  far.destroy()
  return verdict.failure
}

/** What became of the exchange: the first thing that happened counts, and what a client did is no failure. */
class Verdict {
  readonly #machine: string
  #over = false
  failure: SlipwayError | undefined

  constructor(machine: string) {
    this.#machine = machine
  }

  /** The judge's: passed, or why not. A wrong key is one even if the client did not wait for it. */
  given(error: SlipwayError | undefined): void {
    if (this.#over && error?.code !== 'host_key_mismatch') return
    this.#over = true
    this.failure ??= error
  }

  clientLeft(): void {
    this.#over = true
  }

  failed(detail: string): void {
    this.given(new SlipwayError('ssh_failed', { machine: this.#machine, detail }))
  }
}

/** Lets the server's bytes through as they are judged. */
class Gate extends Transform {
  readonly #serverSide: ServerSide
  readonly #onVerdict: (error: SlipwayError | undefined) => void

  constructor(serverSide: ServerSide, onVerdict: (error: SlipwayError | undefined) => void) {
    super()
    this.#serverSide = serverSide
    this.#onVerdict = onVerdict
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const { passed } = this.#serverSide
    try {
      const judged = this.#serverSide.take(chunk)
      if (this.#serverSide.passed && !passed) this.#onVerdict(undefined)
      done(null, judged)
    } catch (error) {
      if (!(error instanceof SlipwayError)) throw error
      this.#onVerdict(error)
      done(error)
    }
  }
}
