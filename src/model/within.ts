import { SlipwayError } from './error.ts'

export interface Within {
  /** Names what was waited for in the error. */
  readonly step: string
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

/**
 * Runs `work` with a signal that aborts with the caller's, or with `timed_out` naming the step once the deadline is
 * over. `work` must end when its signal aborts: nothing is left running behind the caller's back. The agent has another
 * for what may hang, which it abandons at the deadline (`agent/deadline.ts`).
 */
export async function within<T>(
  { step, deadlineMs, signal }: Within,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const expire = (): void => controller.abort(new SlipwayError('timed_out', { step, deadlineMs }))
  const timer = setTimeout(expire, deadlineMs)
  try {
    return await work(AbortSignal.any([signal, controller.signal]))
  } finally {
    clearTimeout(timer)
  }
}
