import { type Clock, SlipwayError } from '../model/index.ts'

/** For a task to undo what it did once it is told to end. */
const UNDO_MS = 10_000

export interface Deadline {
  readonly clock: Clock
  /** Named in the error. */
  readonly step: string
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

/**
 * `task`'s result, or `timed_out` naming the step, or the signal's reason. Settles at the deadline even if the task
 * does not: a guest or a driver that hangs must not hang the agent. Time is the clock's, so that it can be simulated.
 */
export function withDeadline<T>(
  { clock, step, deadlineMs, signal }: Deadline,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const controller = new AbortController()
    const stop = (reason: unknown): void => {
      settle()
      reject(reason)
      controller.abort(reason)
    }
    const onAbort = (): void => stop(signal.reason)
    const cancel = clock.after(deadlineMs, () => stop(new SlipwayError('timed_out', { step, deadlineMs })))
    const settle = (): void => {
      cancel()
      signal.removeEventListener('abort', onAbort)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    task(controller.signal).finally(settle).then(resolve, reject)
  })
}

/** As `withDeadline`, but also waits until `task` has come to its end: nothing may be destroyed under its hands. */
export const endedWithin = <T>(deadline: Deadline, task: (signal: AbortSignal) => Promise<T>): Promise<T> =>
  thenWaiting(deadline, task, async (ended) => {
    const { signal } = new AbortController()
    await withDeadline({ ...deadline, deadlineMs: UNDO_MS, signal }, () => ended).catch(() => undefined)
  })

/** Likewise, however long its end takes. */
export const endedAfter = <T>(deadline: Deadline, task: (signal: AbortSignal) => Promise<T>): Promise<T> =>
  thenWaiting(deadline, task, (ended) => ended)

async function thenWaiting<T>(
  deadline: Deadline,
  task: (signal: AbortSignal) => Promise<T>,
  wait: (ended: Promise<unknown>) => Promise<unknown>,
): Promise<T> {
  let ended: Promise<unknown> = Promise.resolve()
  try {
    return await withDeadline(deadline, (signal) => {
      const work = task(signal)
      ended = work.catch(() => undefined)
      return work
    })
  } finally {
    await wait(ended)
  }
}
