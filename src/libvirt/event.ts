import { type Domain as DomainCodec, events } from './generated/protocol.ts'
import type { MessageHeader } from './message.ts'
import { type LifecycleName, lifecycle } from './names.ts'
import { type Infer, readWhole, type XdrReader } from './xdr/index.ts'

/** A virtual machine as libvirt names it in every call: `id` is -1 when it does not run. */
export type Domain = Infer<typeof DomainCodec>

export interface LifecycleEvent {
  readonly domain: Domain
  readonly event: LifecycleName
  /** What caused it, for example `destroyed` or `crashed` after `stopped`; `other-N` if we have no name for it. */
  readonly detail: string
}

export interface AgentLifecycleEvent {
  readonly domain: Domain
  /** Whether the guest agent holds its channel open. */
  readonly state: 'connected' | 'disconnected'
  /** The machine was started or attached to, or the guest opened or closed the channel. */
  readonly reason: 'unknown' | 'domain-started' | 'channel'
}

/**
 * Called in the order in which libvirtd sent them, between two reads of the socket. A listener
 * should only put the event into an inbox; what it throws is a bug: it ends the connection and is not caught.
 */
export interface EventListeners {
  readonly lifecycle?: (event: LifecycleEvent) => void
  readonly agentLifecycle?: (event: AgentLifecycleEvent) => void
}

/** `virDomainEventID` of what each listener needs. */
const EVENT_IDS = { lifecycle: 0, agentLifecycle: 18 } as const
const AGENT_REASONS = ['unknown', 'domain-started', 'channel'] as const
const AGENT_CONNECTED = 1

/** The events libvirtd must be asked for. */
export function wantedEventIds(listeners: EventListeners): readonly number[] {
  return [
    ...(listeners.lifecycle ? [EVENT_IDS.lifecycle] : []),
    ...(listeners.agentLifecycle ? [EVENT_IDS.agentLifecycle] : []),
  ]
}

/** Decodes an event and calls its listener. Events we did not ask for are none of our business. */
export function dispatchEvent(listeners: EventListeners, header: MessageHeader, payload: XdrReader): void {
  if (matches(header, events.domainEventCallbackLifecycle)) {
    const { change } = readWhole(events.domainEventCallbackLifecycle.payload, payload)
    listeners.lifecycle?.({ domain: change.dom, ...lifecycle(change.event, change.detail) })
  } else if (matches(header, events.domainEventCallbackAgentLifecycle)) {
    const { dom, state, reason } = readWhole(events.domainEventCallbackAgentLifecycle.payload, payload)
    listeners.agentLifecycle?.({
      domain: dom,
      state: state === AGENT_CONNECTED ? 'connected' : 'disconnected',
      reason: AGENT_REASONS[reason] ?? 'unknown',
    })
  }
}

function matches(
  header: MessageHeader,
  row: { readonly program: number; readonly procedure: number },
): boolean {
  return header.program === row.program && header.procedure === row.procedure
}
