/**
 * The whole path with nothing played but GitLab: a real gitlab-runner, the front, coordinator, agent, libvirt, QEMU.
 * GitLab stands on a private address that only the flavor's allow-list opens.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  call,
  eventually,
  guestsOf,
  hullsOf,
  layOut,
  type Paths,
  remove,
  type Started,
  start,
} from '../up/instance.ts'
import { customExecutor } from './custom-executor.ts'
import { pluginFolder } from './fleeting.ts'
import { type RunningRunner, startRunner } from './runner.ts'
import { type GitLab, startGitLab } from './server.ts'

/** In the test file's own network namespace. */
const GITLAB_ADDRESS = '10.20.0.1'
/** Promised for orphans. */
const GONE_MS = 60_000

export interface RealBenchOptions {
  /** gitlab-runner's path: it runs here, and lies on the guests' tools disk. */
  readonly binary: string
  /** Folder of the image store. */
  readonly images: string
  /** Name of the one image used, which jobs call `IMAGE:1`. */
  readonly image: string
  readonly memoryMiB: number
  readonly shell: 'bash' | 'sh'
  /** Machines at most. */
  readonly limit?: number
  /** Of `[[runners]]`; the custom executor when absent. Called once Slipway runs. */
  readonly executor?: (paths: Paths) => Promise<string> | string
  readonly concurrent?: number
}

export class RealBench implements AsyncDisposable {
  readonly paths: Paths
  readonly gitlab: GitLab
  readonly #options: RealBenchOptions
  readonly #slipway: Started
  readonly #runners = new Map<string, RunningRunner>()

  private constructor(options: RealBenchOptions, paths: Paths, gitlab: GitLab, slipway: Started) {
    this.#options = options
    this.paths = paths
    this.gitlab = gitlab
    this.#slipway = slipway
  }

  static async start(options: RealBenchOptions): Promise<RealBench> {
    const { binary, images, image, memoryMiB, shell, limit = 2 } = options
    execFileSync('ip', ['address', 'add', `${GITLAB_ADDRESS}/32`, 'dev', 'lo'])
    const paths = layOut({ driver: 'libvirt', images, agentToml: `tools = ${JSON.stringify(binary)}\n` })
    const gitlab = await startGitLab({ directory: join(paths.folder, 'gitlab'), host: GITLAB_ADDRESS })
    const flavor = `[[flavor]]
name = "small"
image = "${image}"
vcpus = 1
memory_mib = ${memoryMiB}
disk_gib = 4
allow = ["${new URL(gitlab.url).host}"]
allow_emulation = true
limit = ${limit}
`
    writeFileSync(join(paths.config, 'coordinator.toml'), flavor, { flag: 'a' })
    const slipway = start(paths, ['up'])
    const first = await slipway.firstLine
    if (!first?.startsWith('ready')) throw new Error(`slipway up: ${first}\n${slipway.stderr()}`)
    const token = await call(paths, 'token', 'create', 'gitlab')
    writeFileSync(join(paths.config, 'token'), token.stdout, { mode: 0o600 })
    const front = `socket = ${JSON.stringify(join(paths.run, 'lease.sock'))}
token_file = "token"
default_flavor = "small"
shell = "${shell}"
[images]
"${image}:1" = { flavor = "small" }
`
    writeFileSync(join(paths.config, 'custom-executor.toml'), front)
    const bench = new RealBench(options, paths, gitlab, slipway)
    await bench.startRunner()
    return bench
  }

  /** Another than the first has a name, and may have another executor. */
  async startRunner(name = 'runner', executor?: string): Promise<RunningRunner> {
    const {
      binary,
      concurrent,
      executor: own = ({ config }: Paths) => customExecutor(config),
    } = this.#options
    const runner = await startRunner({
      binary,
      gitlab: this.gitlab,
      directory: join(this.paths.folder, name),
      executor: executor ?? (await own(this.paths)),
      env: { PATH: `${pluginFolder}:${process.env.PATH}` },
      ...(concurrent === undefined ? {} : { concurrent }),
    })
    this.#runners.set(name, runner)
    return runner
  }

  /** SIGKILL, as the kernel does it when memory is short. */
  async killRunner(name = 'runner'): Promise<void> {
    await this.#runners.get(name)?.kill('SIGKILL')
  }

  /** As a service manager stops it. */
  async stopRunners(): Promise<void> {
    for (const runner of this.#runners.values()) await runner[Symbol.asyncDispose]()
    this.#runners.clear()
  }

  /** Resolves when no lease lives and the audit finds nothing. */
  async nothingLeft(): Promise<void> {
    await eventually('the audit finds nothing and no lease lives', GONE_MS, async () => {
      const audit = await call(this.paths, 'audit')
      const { leases } = JSON.parse((await call(this.paths, 'ls', '--json')).stdout)
      return audit.code === 0 && leases.length === 0
    })
  }

  /** Resolves when no guest is there but hulls. */
  async noMachine(deadlineMs: number): Promise<void> {
    await eventually('no machine is left', deadlineMs, async () => {
      const hulls = await hullsOf(this.paths)
      return guestsOf(this.paths).every((machine) => hulls.includes(machine))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopRunners()
    this.#slipway.child.kill('SIGTERM')
    await this.#slipway.ended
    await this.gitlab[Symbol.asyncDispose]()
    remove(this.paths)
  }
}
