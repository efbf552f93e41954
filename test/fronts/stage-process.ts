/** One stage as the runner starts it: a process, leader of its group, the job's variables in its environment. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const top = join(import.meta.dirname, '../..')

export interface StageEnd {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface StageWords {
  /** Holds `custom-executor.toml`. */
  readonly config: string
  readonly env: Readonly<Record<string, string>>
  /** The stage, and what the runner adds. */
  readonly words: readonly string[]
}

export function startStage({ config, env, words }: StageWords): StageProcess {
  const args = ['--config', config, 'custom-executor', ...words]
  const child = spawn(join(top, 'bin/slipway'), args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env },
  })
  return new StageProcess(child)
}

export const callStage = (words: StageWords): Promise<StageEnd> => startStage(words).ended

export interface RunnerJobFiles {
  /** Holds `custom-executor.toml`. */
  readonly config: string
  /** What the runner calls TMPDIR: a folder of the job. */
  readonly directory: string
  /** The job's variables, without their prefix. */
  readonly variables?: Readonly<Record<string, string>>
  readonly id?: number
  readonly token?: string
}

export class StageProcess {
  readonly child: ChildProcess
  readonly ended: Promise<StageEnd>

  constructor(child: ChildProcess) {
    this.child = child
    let [stdout, stderr] = ['', '']
    child.stdout?.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr?.on('data', (chunk) => {
      stderr += chunk
    })
    this.ended = once(child, 'close').then(([code]) => ({ code, stdout, stderr }))
  }
}

/** The runner's side of one job: its files, its variables, its calls. */
export class RunnerJobSide {
  readonly #job: RunnerJobFiles

  private constructor(job: RunnerJobFiles) {
    this.#job = job
  }

  static async make(job: RunnerJobFiles): Promise<RunnerJobSide> {
    const { directory, id = 1, token = 'glcbt-job-token' } = job
    await mkdir(directory, { recursive: true })
    const response = {
      id,
      token,
      runner_info: { timeout: 60 },
      variables: [],
      steps: [],
      image: { name: '' },
    }
    await writeFile(join(directory, 'response.json'), JSON.stringify(response))
    return new RunnerJobSide(job)
  }

  start(stage: string, ...args: string[]): StageProcess {
    return startStage({ config: this.#job.config, env: this.env(), words: [stage, ...args] })
  }

  env(): Record<string, string> {
    const { directory, variables = {} } = this.#job
    return {
      PATH: process.env.PATH ?? '',
      TMPDIR: directory,
      BUILD_FAILURE_EXIT_CODE: '1',
      SYSTEM_FAILURE_EXIT_CODE: '2',
      BUILD_EXIT_CODE_FILE: join(directory, 'build_exit_code'),
      JOB_RESPONSE_FILE: join(directory, 'response.json'),
      ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [`CUSTOM_ENV_${name}`, value])),
    }
  }

  call(stage: string, ...args: string[]): Promise<StageEnd> {
    return this.start(stage, ...args).ended
  }

  async run(name: string, script: string): Promise<StageEnd> {
    return (await this.startRun(name, script)).ended
  }

  async startRun(name: string, script: string): Promise<StageProcess> {
    const file = join(this.#job.directory, 'script')
    await writeFile(file, script)
    return this.start('run', file, name)
  }

  async exitCode(): Promise<string> {
    return (await readFile(join(this.#job.directory, 'build_exit_code'), 'utf8')).trim()
  }
}
