/**
 * Wanted sets on their way down: each host's whole set, stamped. Sent when it changes, on connection, and again every
 * few seconds, since a frame may be lost.
 */

import { type Clock, shapeKey, type WantedTemplate } from '../model/index.ts'
import type { AgentLink } from './ports.ts'
import type { Host, State } from './state.ts'

/** The wanted set is sent again this often, changed or not: what a lost frame costs at most. */
export const WANTED_EVERY_MS = 4_000
/** A changed set is sent at once, and the next change not sooner than this after it. */
export const WANTED_GAP_MS = 25
/** Added for each machine of the last set: large sets go out less often, so that they never fill the connection. */
const GAP_PER_MACHINE_MS = 0.5

export class WantedSets {
  readonly #state: State
  readonly #clock: Clock
  readonly #epoch: number
  #stopTimer: () => void = () => {}

  constructor({
    state,
    clock,
    epoch,
  }: { readonly state: State; readonly clock: Clock; readonly epoch: number }) {
    this.#state = state
    this.#clock = clock
    this.#epoch = epoch
  }

  /**
   * Sends every connected host its set if that is due. Changes that follow each other quickly go out together: a set
   * holds every machine of its host, and a thousand leases asked for at once would send a thousand growing sets.
   */
  flush(): void {
    const now = this.#clock.now()
    this.#stopTimer()
    let nextMs = Number.POSITIVE_INFINITY
    for (const host of [...this.#state.hosts.values()]) {
      if (!host.link) continue
      const waitedMs = host.sentAtMs === undefined ? Number.POSITIVE_INFINITY : now - host.sentAtMs
      const gapMs = WANTED_GAP_MS + host.sentMachines * GAP_PER_MACHINE_MS
      if (waitedMs >= (host.dirty ? gapMs : WANTED_EVERY_MS)) this.#send(host, host.link)
      else if (host.dirty) nextMs = Math.min(nextMs, gapMs - waitedMs)
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#stopTimer = this.#clock.after(nextMs, () => this.flush())
  }

  /** What is not due yet is not sent any more. */
  close(): void {
    this.#stopTimer()
  }

  #templates(host: Host): WantedTemplate[] {
    const builds = this.#state.buildsOn(host.host).filter(({ state }) => state === 'wanted')
    const reserved = new Map(builds.map(({ shape, reservation }) => [shapeKey(shape), reservation]))
    return host.wishes.map(({ shape }) => {
      const reservation = reserved.get(shapeKey(shape))
      return reservation === undefined ? { shape } : { shape, reservation }
    })
  }

  #send(host: Host, link: AgentLink): void {
    if (host.dirty) host.generation += 1
    host.dirty = false
    const machines = this.#state
      .machinesOn(host.host)
      .filter(({ state }) => state !== 'doomed')
      .map(({ machine, reservation, spec, made }) => ({ machine, reservation, spec, made }))
    host.sentAtMs = this.#clock.now()
    host.sentMachines = machines.length
    const stamp = { epoch: this.#epoch, generation: host.generation }
    link.send({ type: 'wanted', stamp, machines, templates: this.#templates(host) })
  }
}
