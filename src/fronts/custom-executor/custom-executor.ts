/**
 * One stage from its call to its exit code. The runner reads the code only: 0, the build's failure (the job's own, not
 * tried again) or the system's (prepare is tried again, then the job is told that its runner failed).
 */
import type { Writable } from 'node:stream'
import { connect } from '../../api/index.ts'
import { SlipwayError, systemClock } from '../../model/index.ts'
import { cleanupStage } from './cleanup.ts'
import { configStage } from './config.ts'
import { type Env, exitCodesOf, readJob } from './job.ts'
import { patient, release } from './lease.ts'
import { failureLines } from './report.ts'
import { watchRunner } from './runner-alive.ts'
import { readSettings } from './settings.ts'
import { print, type Stage } from './stage.ts'

/** `run` brings an SSH client with it, which the other stages need not load. */
const stages = {
  config: async () => configStage,
  prepare: async () => (await import('./prepare.ts')).prepareStage,
  run: async () => (await import('./run.ts')).runStage,
  cleanup: async () => cleanupStage,
} as const satisfies Record<string, () => Promise<(stage: Stage) => Promise<number>>>

export type StageName = keyof typeof stages

export interface StageCall {
  readonly env: Env
  readonly args: readonly string[]
  readonly stdout: Writable
  readonly stderr: Writable
  /** Aborts at the runner's SIGTERM: the job is cancelled, or out of time. */
  readonly signal: AbortSignal
  /** Path of `custom-executor.toml`. */
  readonly settingsFile: string
  readonly version: string
}

/** Runs one stage and gives the exit code to end with; never throws. */
export async function customExecutor(name: StageName, call: StageCall): Promise<number> {
  const codes = exitCodesOf(call.env)
  const orphaned = new AbortController()
  const unwatch = watchRunner(() =>
    orphaned.abort(new SlipwayError('cancelled', { what: 'the job, whose runner died,' })),
  )
  try {
    const settings = await readSettings(call.settingsFile)
    const job = await readJob(call.env)
    const client = patient(connect(settings.socket, settings.token.reveal()), systemClock)
    const signal = AbortSignal.any([call.signal, orphaned.signal])
    const stage = { ...call, signal, settings, client, clock: systemClock, job, lease: job.lease, codes }
    try {
      return await (await stages[name]())(stage)
    } finally {
      // Nobody is left to call cleanup.
      if (orphaned.signal.aborted) await release(stage)
    }
  } catch (error) {
    // The runner stopped the stage, and says why in the log itself.
    if (!call.signal.aborted) print(call.stderr, errorLines(error))
    return codes.systemFailure
  } finally {
    unwatch()
  }
}

function errorLines(error: unknown): readonly string[] {
  if (error instanceof SlipwayError) return failureLines(error.failure)
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return ['error bug: report it with these lines', ...text.split('\n')]
}
