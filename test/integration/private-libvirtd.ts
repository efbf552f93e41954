import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const START_TIMEOUT_MS = 30_000
const POLL_MS = 20

/**
 * A libvirtd of the test's own. A mount namespace gives it its own /run, /etc/libvirt and
 * /var/{lib,log,cache}/libvirt, so that it shares nothing with a libvirtd of the host; its socket
 * lies in the test's directory, outside those mounts, and can be connected to from anywhere.
 */
export class PrivateLibvirtd {
  readonly directory = mkdtempSync('/tmp/slipway-libvirt-')
  readonly socketPath = join(this.directory, 'sock/libvirt-sock')
  #holder: ChildProcess | undefined
  #logd: ChildProcess | undefined
  #daemon: ChildProcess | undefined

  static async start(): Promise<PrivateLibvirtd> {
    const libvirtd = new PrivateLibvirtd()
    await libvirtd.#startNamespace()
    await libvirtd.startDaemon()
    return libvirtd
  }

  async #startNamespace(): Promise<void> {
    for (const name of ['run/libvirt', 'run/lock', 'etc', 'lib/qemu', 'log', 'cache', 'sock']) {
      mkdirSync(join(this.directory, name), { recursive: true })
    }
    chmodSync(join(this.directory, 'lib/qemu'), 0o711)
    writeFileSync(
      join(this.directory, 'etc/qemu.conf'),
      'user = "root"\ngroup = "root"\nnamespaces = []\ncgroup_controllers = []\n',
    )
    writeFileSync(
      join(this.directory, 'libvirtd.conf'),
      `unix_sock_dir = "${this.directory}/sock"\nauth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\nkeepalive_interval = 1\nkeepalive_count = 1\nhost_uuid = "5b1c7d0e-92a4-4d6f-8b53-0f6a1e2d3c4b"\n`,
    )
    const script = `set -e; cd "$0"
      for pair in run:/run etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
        mount --bind "\${pair%%:*}" "\${pair#*:}"
      done
      : > mounted; exec sleep infinity`
    this.#holder = spawn(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-c', script, this.directory],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    )
    await until(() => existsSync(join(this.directory, 'mounted')))
    this.#logd = this.#inside('virtlogd', '-p', '/run/virtlogd.pid')
    await until(() => existsSync(join(this.directory, 'run/libvirt/virtlogd-sock')))
  }

  #inside(...command: readonly string[]): ChildProcess {
    return spawn('nsenter', ['-t', String(this.#holder?.pid), '-m', ...command], { stdio: 'ignore' })
  }

  async startDaemon(): Promise<void> {
    this.#daemon = this.#inside(
      'libvirtd',
      '-p',
      '/run/libvirtd.pid',
      '-f',
      join(this.directory, 'libvirtd.conf'),
    )
    await until(() => accepts(this.socketPath))
  }

  /** As a crash would: machines live on, their QEMUs are nobody's children. */
  async killDaemon(): Promise<void> {
    await kill(this.#daemon, 'SIGKILL')
  }

  /** Stops the daemon in its tracks, or lets it go on. */
  signalDaemon(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#daemon?.kill(signal)
  }

  /** The QEMU of a running machine. */
  machinePid(name: string): number {
    return Number(readFileSync(join(this.directory, 'run/libvirt/qemu', `${name}.pid`), 'utf8'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // SIGTERM would wait up to 30 s for a daemon that is not done starting.
    await kill(this.#daemon, 'SIGKILL')
    for (const pid of this.#machinePids()) process.kill(pid, 'SIGKILL')
    await kill(this.#logd, 'SIGTERM')
    await kill(this.#holder, 'SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }

  #machinePids(): readonly number[] {
    const directory = join(this.directory, 'run/libvirt/qemu')
    if (!existsSync(directory)) return []
    return readdirSync(directory)
      .filter((name) => name.endsWith('.pid'))
      .map((name) => Number(readFileSync(join(directory, name), 'utf8')))
      .filter((pid) => existsSync(`/proc/${pid}`))
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not so within ${START_TIMEOUT_MS} ms: ${condition}`)
    await delay(POLL_MS)
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

async function kill(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await exited
}
