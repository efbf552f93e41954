/** How the agent looks at its host: pings, scans, the driver's events. Finds; what follows is decided elsewhere. */
import { type MachineId, sleep, toFailure } from '../model/index.ts'
import type { Resource } from './drivers/driver.ts'
import type { Effects } from './effects.ts'
import type { Held } from './held.ts'
import { Lanes } from './lanes.ts'
import type { Post } from './message.ts'
import type { AgentPorts } from './ports.ts'
import { scanHost } from './scan.ts'

/** Of every running machine's guest agent. One miss makes it suspect, one answer clears it. */
const PING_EVERY_MS = 15_000
/** A busy guest under emulation takes seconds to answer. */
const PING_MS = 10_000
const PINGS_AT_ONCE = 8
const SCAN_EVERY_MS = 10_000
const SCAN_MS = 30_000
const REMOVE_MS = 60_000
const RETRY_MS = 2_000

export class Watch {
  readonly #ports: AgentPorts
  readonly #effects: Effects
  readonly #post: Post
  readonly #pings = new Lanes(PINGS_AT_ONCE)

  constructor(ports: AgentPorts, effects: Effects, post: Post) {
    this.#ports = ports
    this.#effects = effects
    this.#post = post
  }

  /** From now until the agent ends; `held` is asked anew at each round. */
  begin(held: ReadonlyMap<MachineId, Held>): void {
    void this.#effects.run(() => this.#listen())
    this.#effects.every(SCAN_EVERY_MS, () => this.#scan())
    this.#effects.every(PING_EVERY_MS, () => {
      for (const { machine, state } of held.values()) {
        if (state === 'ready' || state === 'suspect') this.#ping(machine)
      }
    })
  }

  /** Removes strays: those of a machine as one, since they hang together. */
  reap(strays: readonly Resource[]): void {
    if (strays.length === 0) return
    this.#effects.once('reap', async () => {
      const groups = Map.groupBy(strays, ({ machine, kind, name }) => machine ?? `${kind} ${name}`)
      for (const group of groups.values()) await this.#removeGroup(group)
    })
  }

  async #removeGroup(group: readonly Resource[]): Promise<void> {
    const { driver, records, events } = this.#ports
    const machine = group[0]?.machine
    try {
      await this.#effects.within('remove', REMOVE_MS, async () => {
        if (machine === undefined) for (const stray of group) await driver.remove(stray)
        else await driver.destroy(machine)
      })
      if (machine !== undefined) await records.remove(machine)
      for (const stray of group) events.strayRemoved(stray)
    } catch (error) {
      if (!this.#effects.signal.aborted) events.trouble('remove strays', error, machine)
    }
  }

  #scan(): void {
    const { driver, records, events } = this.#ports
    this.#effects.once('scan', async () => {
      try {
        const scan = await this.#effects.within('scan', SCAN_MS, () => scanHost(driver, records))
        this.#post({ kind: 'scanned', scan })
      } catch (error) {
        if (!this.#effects.signal.aborted) events.trouble('scan', error)
      }
    })
  }

  #ping(machine: MachineId): void {
    this.#effects.once(`ping ${machine}`, async () => {
      const channel = this.#ports.driver.guest(machine)
      const sync = (signal: AbortSignal) => channel.sync({ signal, deadlineMs: PING_MS })
      try {
        await this.#pings.run(this.#effects.signal, () => this.#effects.within('ping', PING_MS, sync))
        this.#post({ kind: 'pinged', machine })
      } catch (error) {
        const failure = toFailure(error, 'guest_silent', { machine, deadlineMs: PING_MS })
        this.#post({ kind: 'pinged', machine, failure })
      }
    })
  }

  async #listen(): Promise<void> {
    const { driver, clock, events } = this.#ports
    const { signal } = this.#effects
    for (;;) {
      try {
        for await (const event of driver.events({ signal })) this.#post({ kind: 'driver', event })
      } catch (error) {
        if (!signal.aborted) events.trouble('driver events', error)
      }
      await sleep(clock, RETRY_MS, signal)
    }
  }
}
