/** libvirt's numbered states, reasons and details (libvirt-domain.h), in order, under the names virsh uses for them. */
const STATES = [
  'none',
  'running',
  'blocked',
  'paused',
  'shutdown',
  'shutoff',
  'crashed',
  'pmsuspended',
] as const

const REASONS: Readonly<Partial<Record<DomainStateName, readonly string[]>>> = {
  running: [
    'unknown',
    'booted',
    'migrated',
    'restored',
    'from-snapshot',
    'unpaused',
    'migration-canceled',
    'save-canceled',
    'wakeup',
    'crashed',
    'postcopy',
    'postcopy-failed',
  ],
  paused: [
    'unknown',
    'user',
    'migration',
    'save',
    'dump',
    'io-error',
    'watchdog',
    'from-snapshot',
    'shutting-down',
    'snapshot',
    'crashed',
    'starting-up',
    'postcopy',
    'postcopy-failed',
    'api-error',
  ],
  shutdown: ['unknown', 'user'],
  shutoff: [
    'unknown',
    'shutdown',
    'destroyed',
    'crashed',
    'migrated',
    'saved',
    'failed',
    'from-snapshot',
    'daemon',
  ],
  crashed: ['unknown', 'panicked'],
}

const LIFECYCLE = [
  ['defined', ['added', 'updated', 'renamed', 'from-snapshot']],
  ['undefined', ['removed', 'renamed']],
  ['started', ['booted', 'migrated', 'restored', 'from-snapshot', 'wakeup']],
  [
    'suspended',
    [
      'paused',
      'migrated',
      'io-error',
      'watchdog',
      'restored',
      'from-snapshot',
      'api-error',
      'postcopy',
      'postcopy-failed',
    ],
  ],
  ['resumed', ['unpaused', 'migrated', 'from-snapshot', 'postcopy', 'postcopy-failed']],
  ['stopped', ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from-snapshot']],
  ['shutdown', ['finished', 'guest', 'host']],
  ['pmsuspended', ['memory', 'disk']],
  ['crashed', ['panicked', 'crashloaded']],
] as const satisfies readonly (readonly [string, readonly string[]])[]

/** `other`: a state newer than this client. */
export type DomainStateName = (typeof STATES)[number] | 'other'
export type LifecycleName = (typeof LIFECYCLE)[number][0] | 'other'

export interface DomainState {
  readonly state: DomainStateName
  /** Why it is in that state, for example `user` or `io-error`; `other-N` for a number we have no name for. */
  readonly reason: string
}

export function domainState(state: number, reason: number): DomainState {
  const name = STATES[state] ?? 'other'
  return { state: name, reason: REASONS[name]?.[reason] ?? `other-${reason}` }
}

export function lifecycle(
  event: number,
  detail: number,
): { readonly event: LifecycleName; readonly detail: string } {
  const [name, details] = LIFECYCLE[event] ?? ['other', []]
  return { event: name, detail: details[detail] ?? `other-${detail}` }
}
