/** A whole Slipway with real machines, to be killed at: what runs, where its agent stands, and whether all is well. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, connect } from '../../src/api/index.ts'
import { hullsIn } from '../../src/model/index.ts'
import { tinyImage } from '../conformance/tiny-image.ts'
import {
  eventually,
  guestsOf,
  layOut,
  type Paths,
  pidsOf,
  processesOf,
  qemuOf,
  remove,
  type Started,
  start,
} from '../up/instance.ts'
import { promisedMs } from '../up/patience.ts'

/** What is killed besides QEMUs. */
export type Part = 'agent' | 'coordinator' | 'libvirtd'

/** Promised: in control again so soon after a kill. */
const CONTROL_MS: Readonly<Record<Part, number>> = { agent: 5_000, coordinator: 2_000, libvirtd: 5_000 }
/** Promised: what belongs to nobody is gone. */
const GONE_MS = 60_000
/** A boot under emulation on a busy machine. */
const READY_MS = 170_000

/** One leased all the time, one in the state that is tested, one to take its place. */
const flavor = (idle: number): string => `[[flavor]]
name = "tiny"
image = "tiny"
vcpus = 1
memory_mib = 192
disk_gib = 1
allow_emulation = true
limit = 3
idle = ${idle}
`

export class Stand {
  readonly paths: Paths
  readonly client: Client
  /** The longest that each was out of control. */
  readonly slowestMs = new Map<Part, number>()
  readonly #started: Started[] = []

  readonly #idle: number

  /** `agentToml`: what its agent is told besides. */
  constructor({ idle = 1, agentToml = '' } = {}) {
    this.#idle = idle
    const coordinatorToml = flavor(idle)
    this.paths = layOut({ driver: 'libvirt', images: tinyImage().dir, coordinatorToml, agentToml })
    this.client = connect(this.paths.socket)
  }

  async up(): Promise<void> {
    const preload = `--import=${join(import.meta.dirname, 'halting.ts')}`
    const up = start(this.paths, ['up'], { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} ${preload}` })
    this.#started.push(up)
    const first = await up.firstLine
    if (!first?.startsWith('ready')) throw new Error(`slipway up: ${first}\n${up.stderr()}`)
  }

  /** The last of what Slipway said. */
  get log(): string {
    return this.#started[0]?.stderr().split('\n').slice(-40).join('\n') ?? ''
  }

  run(...command: readonly string[]): Started {
    const run = start(this.paths, ['run', 'tiny', '--', ...command])
    this.#started.push(run)
    return run
  }

  async end(): Promise<void> {
    this.unhalt()
    for (const { child, ended } of this.#started.toReversed()) {
      child.kill('SIGTERM')
      await ended
    }
    await eventually('all processes end', GONE_MS, () => processesOf(this.paths).length === 0)
    remove(this.paths)
  }

  async machines() {
    return (await this.client.call('machineList', {})).machines
  }

  /** The hull that its host offers, when it offers one. */
  hull(): Promise<string> {
    return eventually('a hull is in stock', READY_MS, async () => {
      const { templates } = await this.client.call('templateList', {}).catch(() => ({ templates: [] }))
      return [...hullsIn(templates.map(({ template }) => template))][0]
    })
  }

  /** The machine that waits for a lease. */
  ready() {
    return eventually('a machine is ready', READY_MS, async () => {
      const all = await this.machines().catch(() => [])
      return all.find(({ state, lease }) => state === 'ready' && lease === undefined)
    })
  }

  /** Resolves when the agent stands at `point`. Machines that are past it are let go, so that another one comes there. */
  async haltAt(point: string): Promise<void> {
    if (this.#stands() !== point) {
      this.halt(point)
      this.resume()
    }
    await eventually(`the agent stands at ${point}`, READY_MS, async () => {
      if (this.#stands() === point) return true
      const all = await this.machines().catch(() => [])
      const idle = all.find(({ state, lease }) => state === 'ready' && lease === undefined)
      if (idle) await this.client.call('machineRemove', { params: idle }).catch(() => undefined)
      return undefined
    })
    rmSync(join(this.paths.config, 'halt'), { force: true })
  }

  /** Resolves when the agent stands at `point`, where it was told to. */
  async standsAt(point: string): Promise<void> {
    await eventually(`the agent stands at ${point}`, READY_MS, () => this.#stands() === point)
  }

  /** The agent that lives, or the next one, will stand at `point`. */
  halt(point: string): void {
    rmSync(join(this.paths.config, 'halted'), { force: true })
    writeFileSync(join(this.paths.config, 'halt'), point)
  }

  /** The agent goes on, wherever it stands, and stands nowhere any more. */
  unhalt(): void {
    for (const file of ['halt', 'halted']) rmSync(join(this.paths.config, file), { force: true })
    this.resume()
  }

  #stands(): string | undefined {
    const pid = this.#pidOf('agent')
    if (pid === undefined || !/^State:\s+T/m.test(statusOf(pid))) return undefined
    return read(join(this.paths.config, 'halted'))
  }

  /** Lets the agent go on from where it stands. */
  resume(): void {
    this.#signal('agent', 'SIGCONT')
  }

  /** Wherever the agent is, it does nothing more. */
  freeze(): void {
    this.#signal('agent', 'SIGSTOP')
  }

  #signal(part: Part, signal: NodeJS.Signals): void {
    const pid = this.#pidOf(part)
    if (pid !== undefined) process.kill(pid, signal)
  }

  /** SIGKILLs them at once. What it returns resolves when each is in control again, within what is promised. */
  kill(...parts: readonly Part[]): Promise<void> {
    const pids = parts.map((part) => this.#pidOf(part))
    for (const [at, pid] of pids.entries()) {
      if (pid === undefined) throw new Error(`there is no ${parts[at]} to kill`)
      process.kill(pid, 'SIGKILL')
    }
    const killedAt = performance.now()
    const back = parts.map(async (part, at) => {
      const limitMs = promisedMs(CONTROL_MS[part])
      await eventually(`another ${part} is in control`, limitMs, async () => {
        const pid = this.#pidOf(part)
        return pid !== undefined && pid !== pids[at] && (await this.#controls(part))
      })
      const tookMs = Math.round(performance.now() - killedAt)
      this.slowestMs.set(part, Math.max(tookMs, this.slowestMs.get(part) ?? 0))
    })
    return Promise.all(back).then(() => undefined)
  }

  killQemu(machine: string): void {
    const pid = qemuOf(this.paths, machine)
    if (pid === undefined) throw new Error(`there is no QEMU of ${machine}`)
    process.kill(pid, 'SIGKILL')
  }

  /** The machine that nobody has leased and that is not ready: at most one while the agent stands. */
  async inTheMaking(): Promise<string | undefined> {
    const all = await this.machines()
    return all.find(({ state, lease }) => lease === undefined && state !== 'ready' && state !== 'doomed')
      ?.machine
  }

  /** Machines and hulls with a QEMU. */
  guests(): readonly string[] {
    return guestsOf(this.paths)
  }

  hasQemu(machine: string): boolean {
    return qemuOf(this.paths, machine) !== undefined
  }

  #pidOf(part: Part): number | undefined {
    if (part !== 'libvirtd') return pidsOf('--config', this.paths.config, part).find(lives)
    const pid = Number(read(join(this.paths.run, 'agent/libvirtd/run/libvirtd.pid')))
    return pid > 0 && lives(pid) ? pid : undefined
  }

  /** The part itself is asked: for its health, for its line to the coordinator, for a listing. */
  async #controls(part: Part): Promise<boolean> {
    try {
      if (part === 'coordinator') await this.client.call('health', {})
      if (part === 'libvirtd') await this.client.call('audit', {})
      if (part !== 'agent') return true
      const { hosts } = await this.client.call('hostList', {})
      return hosts.some(({ connected }) => connected)
    } catch {
      return false
    }
  }

  /** The pool is at its target, and nothing else is there or on the host. */
  async isWell(): Promise<void> {
    if (this.#idle > 0) await this.ready()
    await eventually('no machine goes any more', GONE_MS, async () =>
      (await this.machines()).every(({ state }) => state === 'ready' || state === 'leased'),
    )
    await eventually('the audit finds nothing', GONE_MS, async () => {
      const { hosts } = await this.client.call('audit', {})
      return hosts.length === 1 && hosts.every(({ findings }) => findings.length === 0)
    })
  }

  async goneIs(machine: string): Promise<void> {
    await eventually(`${machine} is gone`, GONE_MS, async () => {
      const all = await this.machines()
      return !this.hasQemu(machine) && all.every((each) => each.machine !== machine)
    })
  }
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

const statusOf = (pid: number): string => read(`/proc/${pid}/status`) ?? ''

/** A zombie does not. */
const lives = (pid: number): boolean => /^State:\s+[^ZX]/m.test(statusOf(pid))
