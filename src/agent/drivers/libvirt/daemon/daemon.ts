import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type HostId, SlipwayError, sleep, systemClock } from '../../../../model/index.ts'
import { missingProgram, run } from '../command.ts'
import { ensureDirectory } from '../directory.ts'
import { daemonName } from '../names.ts'
import { inNamespace, namespaceNames, namespacePath } from '../network/index.ts'
import { type DaemonLayout, SOCKET_KINDS } from '../settings.ts'
import { configurationFiles, DRIVER_DIR, DRIVER_NAME } from './configuration.ts'
import { type Enclosure, enclosed } from './enclosure.ts'
import { cgroupVersion, driverDirectory } from './host.ts'
import { daemonOf, enclosedProcesses, startDetached } from './process.ts'

export interface DaemonOptions {
  readonly host: HostId
  readonly layout: DaemonLayout
  /** Writable in the daemons' root: the machines' overlays. */
  readonly machinesDir: string
  /** Read-only in it: golden disks. */
  readonly readOnlyDirs: readonly string[]
  /** For libvirt's own questions to QEMU. */
  readonly uid: number
  readonly kvm: boolean
}

const START_MS_MAX = 15_000
const TERMINATE_MS_MAX = 5_000
const POLL_MS = 20
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', LIBVIRT_DRIVER_DIR: DRIVER_DIR }
const PROGRAMS = ['virtlogd', 'libvirtd'] as const
type Program = (typeof PROGRAMS)[number]

/**
 * The private libvirtd of this host id, with its virtlogd: never the host's own. QEMUs outlive both, and so do they
 * outlive the agent; whoever comes next finds them by pid file and network namespace.
 *
 *   ensure: directories and configuration ─► namespace ─► virtlogd ─► libvirtd      (what is there already is kept)
 */
export class Daemon {
  readonly namespace: string
  readonly #options: DaemonOptions

  constructor(options: DaemonOptions) {
    this.#options = options
    this.namespace = daemonName(options.host)
  }

  get socket(): string {
    return this.#options.layout.socket
  }

  /** Where libvirtd says what troubles it. */
  get log(): string {
    return join(this.#options.layout.logDir, 'libvirtd.log')
  }

  /**
   * Makes what is missing and starts what does not run, or runs with other settings than these. It may take a moment
   * until the socket answers.
   */
  async ensure(signal?: AbortSignal): Promise<void> {
    const settings = await this.#configure()
    await this.#ensureNamespace(signal)
    if (!(await this.#wasStartedWith(settings))) await this.kill()
    if ((await this.#pid('virtlogd')) === undefined) await this.#start('virtlogd')
    if ((await this.#pid('libvirtd')) !== undefined) return
    await this.#endOrphans()
    await this.#start('libvirtd')
    await writeFile(this.#startedWith, settings, { mode: 0o600 })
  }

  /** True if both daemons run; they may hang nevertheless. */
  async isAlive(): Promise<boolean> {
    const pids = await Promise.all(PROGRAMS.map((program) => this.#pid(program)))
    return pids.every((pid) => pid !== undefined)
  }

  /** Ends a libvirtd that no longer answers. Its QEMUs do not notice. */
  async kill(): Promise<void> {
    const pid = await this.#pid('libvirtd')
    if (pid !== undefined) await terminate(pid, 'SIGKILL')
  }

  /** Ends both daemons, and removes namespace and directories unless a QEMU still runs in them. */
  async stop(): Promise<void> {
    for (const program of PROGRAMS.toReversed()) {
      const pid = await this.#pid(program)
      if (pid !== undefined) await terminate(pid, 'SIGTERM')
    }
    await this.#endOrphans()
    if ((await enclosedProcesses(this.namespace)).length > 0) return
    if ((await namespaceNames()).includes(this.namespace))
      await run('ip', ['netns', 'del', this.namespace], { object: `namespace ${this.namespace}` })
    await rm(this.#options.layout.baseDir, { recursive: true, force: true })
  }

  /**
   * What a daemon that died leaves besides machines: the QEMU it was asking about itself, which waits for ever, and a
   * daemon that never came as far as its pid file.
   */
  async #endOrphans(): Promise<void> {
    const known = await Promise.all(PROGRAMS.map((program) => this.#pid(program)))
    const daemons: readonly string[] = PROGRAMS
    for (const { pid, name, uid } of await enclosedProcesses(this.namespace)) {
      if (known.includes(pid)) continue
      if (uid === this.#options.uid || daemons.includes(name)) await terminate(pid, 'SIGKILL')
    }
  }

  #pid(program: Program): Promise<number | undefined> {
    return daemonOf(this.#pidFile(program), { name: program, runDir: this.#options.layout.runDir })
  }

  /** What the libvirtd that runs was started with. */
  get #startedWith(): string {
    return join(this.#options.layout.baseDir, 'started-with')
  }

  async #wasStartedWith(settings: string): Promise<boolean> {
    return (await readFile(this.#startedWith, 'utf8').catch(() => '')) === settings
  }

  #pidFile(program: Program): string {
    return join(this.#options.layout.runDir, `${program}.pid`)
  }

  /** Everything a daemon is started with, as one text. */
  async #configure(): Promise<string> {
    const { layout, machinesDir, readOnlyDirs, host, uid, kvm } = this.#options
    for (const dir of [
      layout.baseDir,
      layout.etcDir,
      layout.libDir,
      layout.logDir,
      join(layout.baseDir, 'root'),
    ])
      await ensureDirectory(dir, 0o755)
    // QEMU passes through these to what is its own, and sees no list.
    const socketDirs = SOCKET_KINDS.map((kind) => join(layout.runDir, kind))
    for (const dir of [layout.runDir, ...socketDirs, machinesDir]) await ensureDirectory(dir, 0o711)
    for (const dir of [layout.cacheDir, join(layout.runDir, 'sock')]) await ensureDirectory(dir, 0o700)
    for (const dir of readOnlyDirs) await mkdir(dir, { recursive: true, mode: 0o711 })
    const files = configurationFiles({
      host,
      uid,
      kvm,
      cgroupVersion: await cgroupVersion(),
      passwd: await readFile('/etc/passwd', 'utf8'),
      group: await readFile('/etc/group', 'utf8'),
    })
    for (const [path, text] of files) await write(join(layout.etcDir, path), text)
    await copyFile('/etc/ld.so.cache', join(layout.etcDir, 'ld.so.cache'))
    await this.#linkDriver()
    return JSON.stringify([...files, ...enclosed(this.#enclosure(), [])])
  }

  async #linkDriver(): Promise<void> {
    const directory = await driverDirectory()
    if (directory === undefined) throw missingProgram('libvirtd')
    const link = join(this.#options.layout.etcDir, 'libvirt/drivers', DRIVER_NAME)
    await ensureDirectory(dirname(link), 0o755)
    await rm(link, { force: true })
    await symlink(join(directory, DRIVER_NAME), link)
  }

  async #ensureNamespace(signal: AbortSignal | undefined): Promise<void> {
    if ((await namespaceNames()).includes(this.namespace)) return
    const object = `namespace ${this.namespace}`
    const pid = (await this.#pid('libvirtd')) ?? (await this.#pid('virtlogd'))
    // Somebody took the name away from under living daemons: they, and their QEMUs, still have the namespace.
    if (pid !== undefined) {
      await run('ip', ['netns', 'attach', this.namespace, String(pid)], { object, signal })
      return
    }
    await run('ip', ['netns', 'add', this.namespace], { object, signal })
    const off = ['all', 'default'].map((scope) => `net.ipv6.conf.${scope}.disable_ipv6=1`)
    await inNamespace(this.namespace, ['sysctl', '-q', '-w', ...off], { object, signal })
  }

  async #start(program: Program): Promise<void> {
    const { layout } = this.#options
    const command = [program, '-p', `/run/libvirt/${program}.pid`, '-f', `/etc/libvirt/${program}.conf`]
    try {
      await startDetached(enclosed(this.#enclosure(), command), {
        logFile: join(layout.logDir, `${program}.log`),
        env: ENVIRONMENT,
      })
    } catch (cause) {
      throw new SlipwayError('host_setup', { object: program, detail: 'it cannot be started' }, { cause })
    }
    await this.#untilPidFile(program)
  }

  /** The daemon writes its pid once it has the lock: before that, a second `ensure` would start another. */
  async #untilPidFile(program: Program): Promise<void> {
    for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += POLL_MS) {
      if ((await this.#pid(program)) !== undefined) return
      await sleep(systemClock, POLL_MS)
    }
    const log = await readFile(join(this.#options.layout.logDir, `${program}.log`), 'utf8').catch(() => '')
    throw new SlipwayError('host_setup', {
      object: program,
      detail: `it does not stay up: ${log.trim().slice(-300)}`,
    })
  }

  #enclosure(): Enclosure {
    const { layout, machinesDir, readOnlyDirs, kvm } = this.#options
    return {
      networkNamespace: namespacePath(this.namespace),
      mountPoint: join(layout.baseDir, 'root'),
      writable: new Map([
        [layout.runDir, '/run/libvirt'],
        [layout.libDir, '/var/lib/libvirt'],
        [layout.logDir, '/var/log/libvirt'],
        [layout.cacheDir, '/var/cache/libvirt'],
        [machinesDir, machinesDir],
      ]),
      readOnly: new Map([[layout.etcDir, '/etc'], ...readOnlyDirs.map((dir) => [dir, dir] as const)]),
      kvm,
    }
  }
}

/** Signals a process and waits until it is gone; one that does not obey is killed. */
export async function terminate(pid: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!signalled(pid, signal)) return
  for (let waitedMs = 0; waitedMs < TERMINATE_MS_MAX; waitedMs += POLL_MS) {
    await sleep(systemClock, POLL_MS)
    if (await isGone(pid)) return
  }
  if (signal === 'SIGTERM') return terminate(pid, 'SIGKILL')
  throw new SlipwayError('host_setup', { object: `process ${pid}`, detail: 'it survives SIGKILL' })
}

function signalled(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

/** A zombie is gone for us: its parent has yet to look at it. */
async function isGone(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return status === '' || /^State:\s+[ZX]/m.test(status)
}

async function write(path: string, text: string): Promise<void> {
  await ensureDirectory(dirname(path), 0o755)
  await writeFile(path, text, { mode: 0o644 })
}
