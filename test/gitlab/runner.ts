/** Starts a real gitlab-runner, whose path comes from outside: the project holds no copy and no way to make one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GitLab } from './server.ts'

/** `SLIPWAY_GITLAB_RUNNER_BIN`; undefined where there is no runner to test with. */
export const runnerBinary = (): string | undefined => process.env.SLIPWAY_GITLAB_RUNNER_BIN || undefined

export interface RunnerOptions {
  readonly binary: string
  readonly gitlab: GitLab
  readonly directory: string
  /** The executor's part of `[[runners]]`, in TOML. */
  readonly executor: string
  readonly concurrent?: number
  readonly env?: Readonly<Record<string, string>>
}

export interface RunningRunner extends AsyncDisposable {
  readonly pid: number
  /** What the runner itself logged. */
  readonly log: () => string
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>
  kill(signal: NodeJS.Signals): Promise<void>
}

export async function startRunner(options: RunnerOptions): Promise<RunningRunner> {
  const { binary, directory } = options
  await mkdir(directory, { recursive: true })
  const config = join(directory, 'config.toml')
  await writeFile(config, configText(options), { mode: 0o600 })
  const child = spawn(binary, ['run', '--config', config, '--working-directory', directory], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', HOME: directory, TMPDIR: directory, ...options.env },
  })
  const log = collect(child)
  const exited = once(child, 'exit').then(() => undefined)
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await exited
  }
  if (child.pid === undefined) throw new Error(`${binary} does not start`)
  return { pid: child.pid, log, exited, kill, [Symbol.asyncDispose]: () => kill('SIGTERM') }
}

function configText({ gitlab, executor, concurrent = 1, directory }: RunnerOptions): string {
  const { bucket, url, runnerToken } = gitlab
  return `concurrent = ${concurrent}
check_interval = 1
log_level = "info"
shutdown_timeout = 30

[[runners]]
name = "test"
url = "${url}"
id = 1
token = "${runnerToken}"
request_concurrency = ${concurrent}
output_limit = 8192
builds_dir = "${directory}/builds"
cache_dir = "${directory}/cache"
${executor}
[runners.cache]
Type = "s3"
Shared = true
[runners.cache.s3]
ServerAddress = "${new URL(url).host}"
AccessKey = "${bucket.accessKey}"
SecretKey = "${bucket.secretKey}"
BucketName = "${bucket.name}"
BucketLocation = "test"
Insecure = true
`
}

function collect(child: ChildProcess): () => string {
  let text = ''
  const add = (chunk: Buffer): void => {
    text += chunk
  }
  child.stdout?.on('data', add)
  child.stderr?.on('data', add)
  return () => text
}
