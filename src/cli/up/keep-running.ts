/**
 * A child that shall run until it is told to stop. One that dies is started again with back-off; one that ends by
 * itself before it was ever ready has said why, and that is the end, unless what is in its way is about to go.
 *
 *   starting ──ready──► serving ──dies──► backing off ──► starting
 *      └──ends by itself, never ready──► failed
 */
import { type Clock, SlipwayError, sleep } from '../../model/index.ts'

const BACK_OFF_MS_MIN = 100
/** Little enough that an agent that is killed again and again is in control within 5 s each time. */
const BACK_OFF_MS_MAX = 1_000
/**
 * A child that served this long is forgiven its earlier deaths: what kills it came from outside, and will be over. One
 * that dies of itself does so as soon as it is ready, or sooner.
 */
const FORGIVEN_AFTER_MS = 1_000

/** How a child ended. */
export interface Ended {
  readonly code: number | undefined
  readonly signal: string | undefined
  /** What it said it failed of. */
  readonly problem: SlipwayError | undefined
}

export interface RunningChild {
  /** Resolves when the child says so; never if it does not. */
  readonly ready: Promise<void>
  readonly ended: Promise<Ended>
  /** Asks it to stop; it is killed if it has not ended after `graceMs`. */
  stop(graceMs: number): void
}

export interface KeepRunning {
  readonly name: string
  readonly start: () => RunningChild
  readonly clock: Clock
  /** Aborting asks the child to stop. */
  readonly signal: AbortSignal
  readonly stopGraceMs: number
  /** Called each time the child is ready. */
  readonly ready: () => void
  /** Whether a failure before the first `ready` may pass by itself. */
  readonly passes: (problem: SlipwayError) => boolean
  readonly say: (text: string) => void
}

/** Resolves once the child has ended after `signal` aborted; throws what it failed of before it was ever ready. */
export async function keepRunning(options: KeepRunning): Promise<void> {
  const { name, clock, signal, say } = options
  let backOffMs = BACK_OFF_MS_MIN
  let wasReady = false
  while (!signal.aborted) {
    let servedSince = Number.POSITIVE_INFINITY
    const child = options.start()
    const stop = (): void => child.stop(options.stopGraceMs)
    signal.addEventListener('abort', stop, { once: true })
    child.ready.then(() => {
      wasReady = true
      servedSince = clock.now()
      options.ready()
    })
    const ended = await child.ended
    signal.removeEventListener('abort', stop)
    if (signal.aborted) return
    if (!wasReady) {
      const problem = ended.problem ?? unexplained(name, ended)
      if (ended.signal === undefined && !options.passes(problem)) throw problem
    }
    if (clock.now() - servedSince >= FORGIVEN_AFTER_MS) backOffMs = BACK_OFF_MS_MIN
    const how = ended.problem?.message ?? ended.signal ?? `exit code ${ended.code}`
    say(`${name} ended (${how}), it is started again in ${backOffMs} ms`)
    await sleep(clock, backOffMs, signal).catch(() => undefined)
    backOffMs = Math.min(2 * backOffMs, BACK_OFF_MS_MAX)
  }
}

const unexplained = (name: string, { code }: Ended): SlipwayError =>
  new SlipwayError('host_setup', {
    object: name,
    detail: `it ended with exit code ${code} before it was ready`,
  })
