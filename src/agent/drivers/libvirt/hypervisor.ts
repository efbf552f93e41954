import {
  type Caller,
  type Domain,
  domains,
  ErrorNumber,
  LibvirtConnectionError,
  LibvirtError,
  type LifecycleEvent,
  ResidentConnection,
} from '../../../libvirt/index.ts'
import { SlipwayError, sleep, systemClock, within } from '../../../model/index.ts'
import { CLIENT_REQUESTS_MAX, type Daemon } from './daemon/index.ts'
import { type Asked, asking, refusal } from './refusal.ts'

export interface HypervisorListeners {
  readonly lifecycle: (event: LifecycleEvent) => void
  /** Time to look for oneself: an event may have been lost with a connection. */
  readonly look: () => void
}

const URI = 'qemu:///system'
/** QEMU is asked about itself at the first start on a host, and that takes seconds. */
const OPEN_MS_MAX = 30_000
const START_MS_MAX = 90_000
/** How long a call waits for a libvirtd that is being replaced. */
const RECOVERY_MS_MAX = 15_000
const WATCH_MS = 500
const LOOK_EVERY = 4
/** A libvirtd that answers no ping for so long is replaced; its QEMUs do not notice. */
const KEEP_ALIVE = { intervalMs: 2_000, count: 4 }
const BACK_OFF = { firstMs: 50, maxMs: 500 }

/**
 * The way to libvirt, kept open: the private daemons are started when missing, replaced when dead or deaf, and the
 * connection comes back by itself.
 *
 *   start ─► watching: alive? ──no──► ensure ─► (the connection finds the new one by itself)
 */
export class Hypervisor {
  readonly #daemon: Daemon
  readonly #connection: ResidentConnection
  readonly #stop = new AbortController()
  readonly #watch: Promise<void>

  /** Starts the daemons if need be and waits until libvirt answers. Errors: `host_setup`, `hypervisor_down`. */
  static async start(
    daemon: Daemon,
    listeners: HypervisorListeners,
    signal: AbortSignal,
  ): Promise<Hypervisor> {
    await daemon.ensure(signal)
    const hypervisor = new Hypervisor(daemon, listeners)
    try {
      await hypervisor.#ready(signal)
      return hypervisor
    } catch (error) {
      await hypervisor.close()
      throw error
    }
  }

  private constructor(daemon: Daemon, listeners: HypervisorListeners) {
    this.#daemon = daemon
    this.#connection = new ResidentConnection({
      socketPath: daemon.socket,
      uri: URI,
      openTimeoutMs: OPEN_MS_MAX,
      inFlightMax: CLIENT_REQUESTS_MAX / 2,
      keepAlive: KEEP_ALIVE,
      backOff: BACK_OFF,
      on: {
        lifecycle: listeners.lifecycle,
        disconnected: (reason) => this.#replaceIfDeaf(reason),
        attemptFailed: (reason) => this.#replaceIfDeaf(reason),
      },
    })
    this.#watch = this.#keepAlive(listeners.look)
  }

  /** Calls wait for a libvirtd that is being replaced. One that it was given before it died is not made again. */
  readonly caller: Caller = {
    call: async (procedure, args, options) => {
      await this.#awaited()
      return this.#connection.call(procedure, args, options)
    },
    openStream: async (procedure, args, options) => {
      await this.#awaited()
      return this.#connection.openStream(procedure, args, options)
    },
  }

  get domains(): ReturnType<typeof domains> {
    return domains(this.caller)
  }

  /** The domain of that name, or undefined. */
  async find(name: string): Promise<Domain | undefined> {
    return this.#again({ action: 'find', object: name }, async () => {
      try {
        return await this.domains.lookupByName(name, { timeoutMs: CALL_MS_MAX })
      } catch (error) {
        if (error instanceof LibvirtError && error.code === ErrorNumber.NO_DOMAIN) return undefined
        throw error
      }
    })
  }

  /** All domains, or those that `ListFlag` selects. */
  async list(flags = 0): Promise<readonly Domain[]> {
    return this.#again({ action: 'list', object: 'domains' }, () =>
      this.domains.list({ flags, timeoutMs: CALL_MS_MAX }),
    )
  }

  /** A question, asked once more if libvirtd was lost over it: it changes nothing, so it may be asked twice. */
  async #again<T>(asked: Asked, question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (error) {
      if (!(error instanceof LibvirtConnectionError)) throw refusal(error, asked)
      await this.recovered()
      return asking(asked, question())
    }
  }

  /** Waits until libvirt answers again, for what must be done and can wait. */
  async recovered(): Promise<void> {
    await within({ step: 'libvirt', deadlineMs: RECOVERY_MS_MAX, signal: this.#stop.signal }, (signal) =>
      this.#connection.ready({ signal }),
    )
  }

  /** What comes in vain is told by the call itself. */
  async #awaited(): Promise<void> {
    await this.recovered().catch(() => {})
  }

  /** Ends the connection; the daemons stay. */
  async close(): Promise<void> {
    this.#stop.abort(new SlipwayError('cancelled', { what: 'the connection to libvirt' }))
    await this.#connection.close()
    await this.#watch
  }

  async #ready(signal: AbortSignal): Promise<void> {
    try {
      await within({ step: 'libvirt', deadlineMs: START_MS_MAX, signal }, (inner) =>
        this.#connection.ready({ signal: inner }),
      )
    } catch (cause) {
      if (signal.aborted) throw signal.reason
      throw new SlipwayError(
        'hypervisor_down',
        { detail: 'it does not open its socket', log: this.#daemon.log },
        { cause },
      )
    }
  }

  /** It holds its socket and does not speak: what watches will start another. */
  #replaceIfDeaf(reason: Error): void {
    if (!(reason instanceof LibvirtConnectionError)) return
    if (reason.code === 'KEEPALIVE_TIMEOUT' || reason.code === 'CONNECT_TIMEOUT')
      void this.#daemon.kill().catch(() => {})
  }

  /** Errors are tried again: there is nobody else who could start it. */
  async #keepAlive(look: () => void): Promise<void> {
    const { signal } = this.#stop
    for (let round = 1; !signal.aborted; round++) {
      await sleep(systemClock, WATCH_MS, signal).catch(() => {})
      if (signal.aborted) return
      if (round % LOOK_EVERY === 0) look()
      if (!(await this.#daemon.isAlive())) await this.#daemon.ensure(signal).catch(() => {})
    }
  }
}

/** For calls that change nothing. */
const CALL_MS_MAX = 15_000
