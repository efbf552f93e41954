/**
 * What the runner says of the job a stage belongs to.
 *
 * Only the runner's own variables and its response file are believed. `CUSTOM_ENV_…` holds the job's variables, and a
 * job may redefine any of them: a lease named after CUSTOM_ENV_CI_JOB_ID would let one job into another's machine.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type LeaseName, parseId, SlipwayError } from '../../model/index.ts'
import type { Wish } from './choice.ts'

export type Env = Readonly<Record<string, string | undefined>>

export interface RunnerJob {
  readonly id: number
  /** Names the job over its whole life, so that each try of prepare, each stage and cleanup mean the same lease. */
  readonly lease: LeaseName
  /** What the job asks for. Anything may stand here. */
  readonly wish: Wish
  /** The job's own time limit, as GitLab set it. */
  readonly timeoutMs: number
}

/** The exit codes by which the runner tells whose failure it was. */
export interface ExitCodes {
  readonly buildFailure: number
  readonly systemFailure: number
}

const RESPONSE_BYTES_MAX = 64 * 1024 * 1024
const TIMEOUT_S_DEFAULT = 3_600

/** Throws `bad_request` when the environment is not a custom executor's. */
export async function readJob(env: Env): Promise<RunnerJob> {
  const file = env.JOB_RESPONSE_FILE
  if (file === undefined) refuse('JOB_RESPONSE_FILE is not set')
  const text = await readFile(file, 'utf8').catch(() => refuse(`${file} cannot be read`))
  if (text.length > RESPONSE_BYTES_MAX) refuse(`${file} is too large`)
  return jobOf(text, env)
}

/** Pure part of `readJob`: `text` is the response file's. */
export function jobOf(text: string, env: Env): RunnerJob {
  const response = parseObject(text)
  const { id, token } = response
  if (!Number.isSafeInteger(id) || typeof id !== 'number') refuse('the job response has no id')
  if (typeof token !== 'string' || token === '') refuse('the job response has no token')
  const info = response.runner_info
  const timeout = typeof info === 'object' && info !== null && 'timeout' in info ? Number(info.timeout) : 0
  return {
    id,
    // Job ids of two GitLabs may be equal; tokens are not, and nobody else can know one.
    lease: parseId(
      'LeaseName',
      `gitlab-${id}-${createHash('sha256').update(token).digest('hex').slice(0, 16)}`,
    ),
    wish: wishOf(env),
    timeoutMs: (timeout > 0 ? timeout : TIMEOUT_S_DEFAULT) * 1_000,
  }
}

/** The codes the runner named; its own defaults where it named none, so that even a wrong call ends in one of them. */
export function exitCodesOf(env: Env): ExitCodes {
  const code = (text: string | undefined, otherwise: number): number =>
    /^[1-9]\d{0,2}$/.test(text ?? '') ? Number(text) : otherwise
  return {
    buildFailure: code(env.BUILD_FAILURE_EXIT_CODE, 1),
    systemFailure: code(env.SYSTEM_FAILURE_EXIT_CODE, 2),
  }
}

function wishOf(env: Env): Wish {
  const image = env.CUSTOM_ENV_CI_JOB_IMAGE
  const flavor = env.CUSTOM_ENV_SLIPWAY_FLAVOR
  return { ...(image ? { image } : {}), ...(flavor ? { flavor } : {}) }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch {}
  return refuse('the job response is not understood')
}

function refuse(detail: string): never {
  throw new SlipwayError('bad_request', { detail: `${detail}; this command is called by gitlab-runner` })
}
