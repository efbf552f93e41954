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
  #missing: ReadonlySet<MachineId> = new Set()
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

  /**
   * Who is not among `running` twice in a row has vanished, we cannot know how. Once is no proof: libvirt forgets a
   * domain a moment before we hear why.
   */
  compare(running: ReadonlySet<MachineId>): void {
    const missing = [...this.#expected].filter((machine) => !running.has(machine))
    for (const machine of missing)
      if (this.#missing.has(machine)) this.#tell({ machine, kind: 'vanished', detail: 'gone unseen' })
    this.#missing = new Set(missing)
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
