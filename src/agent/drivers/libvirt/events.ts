import type { LifecycleEvent } from '../../../libvirt/index.ts'
import type { HostId, MachineId } from '../../../model/index.ts'
import type { DriverEvent } from '../driver.ts'
import { Inbox } from '../inbox.ts'
import { parseResourceName } from '../resource-name.ts'

const EVENTS_MAX = 1_000

/**
 * Tells what became of machines without our asking. A machine is expected to run from `expect` until `forget` (we
 * destroy it) or until its end was told once.
 */
export class MachineWatch {
  readonly #host: HostId
  readonly #expected = new Set<MachineId>()
  readonly #inboxes = new Set<Inbox<DriverEvent>>()

  constructor(host: HostId) {
    this.#host = host
  }

  expect(machine: MachineId): void {
    this.#expected.add(machine)
  }

  forget(machine: MachineId): void {
    this.#expected.delete(machine)
  }

  /** Everything from now on, until the signal aborts. */
  subscribe(signal: AbortSignal): AsyncIterable<DriverEvent> {
    const inbox = new Inbox<DriverEvent>(EVENTS_MAX, signal)
    this.#inboxes.add(inbox)
    signal.addEventListener('abort', () => this.#inboxes.delete(inbox), { once: true })
    return inbox
  }

  /** libvirt said that something happened to a domain. */
  heard({ domain, event, detail }: LifecycleEvent): void {
    const machine = parseResourceName(this.#host, domain.name)
    const kind = judge(event, detail)
    if (machine !== undefined && kind !== undefined)
      this.#tell({ machine, kind, detail: `${event}: ${detail}` })
  }

  /** After a time without libvirt: who is gone has vanished, we cannot know how. */
  compare(running: ReadonlySet<MachineId>): void {
    for (const machine of this.#expected)
      if (!running.has(machine))
        this.#tell({ machine, kind: 'vanished', detail: 'gone while libvirt was away' })
  }

  #tell(event: DriverEvent): void {
    if (!this.#expected.delete(event.machine)) return
    for (const inbox of this.#inboxes) inbox.put(event)
  }
}

/** A full disk pauses its machine, and nobody will come to resume it: that is an end, too. */
function judge(event: LifecycleEvent['event'], detail: string): DriverEvent['kind'] | undefined {
  if (event === 'crashed') return 'crashed'
  if (event === 'suspended') return detail === 'io-error' ? 'crashed' : undefined
  if (event !== 'stopped') return undefined
  return detail === 'shutdown' ? 'stopped' : 'crashed'
}
