/** A connection between an agent and the coordinator: two wires, frames as text, read by each end's own schema. */

import type { FromAgent, FromCoordinator } from '../../src/api/index.ts'
import { fromAgent, fromCoordinator } from '../../src/api/server.ts'
import type { Clock } from '../../src/model/index.ts'
import { Killed } from './life.ts'
import type { Random } from './random.ts'
import { type Weather, wire } from './wire.ts'

/** One end as its process sees it. */
export interface End<Frame> {
  receive(frame: Frame): void
  closed(): void
}

export interface ConnectionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly weather: () => Weather
  /** Each end is attached with the means to send and to end the connection. */
  readonly agent: (send: (frame: FromAgent) => void) => End<FromCoordinator>
  readonly coordinator: (send: (frame: FromCoordinator) => void, close: () => void) => End<FromAgent>
  /** A frame that an end could not read, or choked on. */
  readonly broke: (who: string, error: unknown) => void
  /** Both ends know by now that it is over. */
  readonly over: () => void
}

export interface Connection {
  /** Frames under way are lost; one end learns of it before the other. */
  break(): void
}

export function connect({ clock, random, weather, ...ends }: ConnectionOptions): Connection {
  const common = { clock, random, weather }
  let open = true
  const deliver = (who: string, hand: (frame: unknown) => void) => (text: string) => {
    try {
      hand(JSON.parse(text))
    } catch (error) {
      if (!(error instanceof Killed)) ends.broke(who, error)
    }
  }
  const up = wire({
    ...common,
    deliver: deliver('frame to the coordinator', (frame) => coordinator.receive(fromAgent.parse(frame))),
  })
  const down = wire({
    ...common,
    deliver: deliver('frame to an agent', (frame) => agent.receive(fromCoordinator.parse(frame))),
  })
  const end = (): void => {
    if (!open) return
    open = false
    up.cut()
    down.cut()
    const laterMs = random.next() * NOTICE_MS_MAX
    const [first, second] = random.chance(0.5) ? [agent, coordinator] : [coordinator, agent]
    clock.after(0, () => first.closed())
    clock.after(laterMs, () => {
      second.closed()
      ends.over()
    })
  }
  const agent = ends.agent((frame) => up.send(JSON.stringify(frame)))
  const coordinator = ends.coordinator((frame) => down.send(JSON.stringify(frame)), end)
  return { break: end }
}

/** A dead peer is noticed within this time, by a ping or by TCP. */
const NOTICE_MS_MAX = 10_000
