/**
 * A custom executor that writes down how it is called and runs each script on the spot: what a real runner asks of an
 * executor, before any executor of ours has an opinion. One process a stage: `recorder.ts FILE STAGE [SCRIPT NAME]`.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'

/** One line of the record. */
export interface RecordedCall {
  readonly job: string
  readonly stage: 'config' | 'prepare' | 'run' | 'cleanup'
  /** What the runner adds to the configured arguments; paths as `<path>`. */
  readonly args: readonly string[]
  /** The runner's own variables with their values, paths as `<path>`. */
  readonly own: Readonly<Record<string, string>>
  /** Names of the job's variables, all of which come as CUSTOM_ENV_…. */
  readonly names: readonly string[]
  /** Keys of the file that JOB_RESPONSE_FILE names. */
  readonly response: readonly string[]
  /** The line of the script that says which shell it is written for. */
  readonly shebang?: string
}

const OWN = [
  'TMPDIR',
  'BUILD_FAILURE_EXIT_CODE',
  'SYSTEM_FAILURE_EXIT_CODE',
  'BUILD_EXIT_CODE_FILE',
  'JOB_RESPONSE_FILE',
]
const PREFIX = 'CUSTOM_ENV_'
/** There are fifty of them, and they say nothing of the contract. */
const FEATURE_FLAG = 'CUSTOM_ENV_FF_'

function describe(stage: RecordedCall['stage'], args: readonly string[]): RecordedCall {
  const { env } = process
  const response: object = JSON.parse(readFileSync(env.JOB_RESPONSE_FILE ?? '', 'utf8'))
  const [script] = args
  return {
    job: env[`${PREFIX}CI_JOB_NAME`] ?? '',
    stage,
    args: args.map(masked),
    own: Object.fromEntries(
      OWN.flatMap((name) => (env[name] === undefined ? [] : [[name, masked(env[name])]])),
    ),
    names: Object.keys(env)
      .filter((name) => name.startsWith(PREFIX) && !name.startsWith(FEATURE_FLAG))
      .sort(),
    response: Object.keys(response).sort(),
    ...(script === undefined ? {} : { shebang: readFileSync(script, 'utf8').split('\n')[0] ?? '' }),
  }
}

const masked = (value: string): string => (isAbsolute(value) ? '<path>' : value)

function act(stage: RecordedCall['stage'], [script, name]: readonly string[]): number {
  const { env } = process
  const buildFailure = Number(env.BUILD_FAILURE_EXIT_CODE)
  const systemFailure = Number(env.SYSTEM_FAILURE_EXIT_CODE)
  switch (stage) {
    case 'config':
      process.stdout.write(
        JSON.stringify({ builds_dir: `${env.TMPDIR}/builds`, cache_dir: `${env.TMPDIR}/cache` }),
      )
      return 0
    case 'prepare':
      return env.CUSTOM_ENV_CI_JOB_IMAGE === 'unknown'
        ? buildFailure
        : env.CUSTOM_ENV_BROKEN
          ? systemFailure
          : 0
    case 'run': {
      const { status } = spawnSync('bash', [script ?? ''], { stdio: ['ignore', 'inherit', 'inherit'] })
      if (status === 0) return 0
      if (name === 'build_script') writeFileSync(env.BUILD_EXIT_CODE_FILE ?? '', String(status))
      return buildFailure
    }
    case 'cleanup':
      return 0
  }
}

const [file = '', stage, ...args] = process.argv.slice(2)
if (stage !== 'config' && stage !== 'prepare' && stage !== 'run' && stage !== 'cleanup')
  throw new Error('no stage')
appendFileSync(file, `${JSON.stringify(describe(stage, args))}\n`)
process.exitCode = act(stage, args)
