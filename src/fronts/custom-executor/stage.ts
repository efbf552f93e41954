/** What each stage gets, and the code by which it ends. */
import type { Writable } from 'node:stream'
import type { Client } from '../../api/index.ts'
import type { Clock } from '../../model/index.ts'
import type { Env, ExitCodes, RunnerJob } from './job.ts'
import type { Settings } from './settings.ts'

export interface Stage {
  readonly env: Env
  /** What the runner adds to the configured arguments. */
  readonly args: readonly string[]
  readonly stdout: Writable
  readonly stderr: Writable
  /** Aborts when the runner stops the stage, or is dead. */
  readonly signal: AbortSignal
  readonly settings: Settings
  readonly client: Client
  readonly clock: Clock
  readonly version: string
  readonly job: RunnerJob
  /** The job's lease: `job.lease`, for all that holds a lease. */
  readonly lease: RunnerJob['lease']
  readonly codes: ExitCodes
}

/** Lines of ours in the job log. */
export function print(stream: Writable, lines: readonly string[]): void {
  for (const line of lines) stream.write(`slipway: ${line}\n`)
}
