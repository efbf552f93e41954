/** The SSH check of a simulated machine, the last step before an agent says ready: what a real login would find out. */
import { type Access, SlipwayError } from '../../../model/index.ts'
import { effectsOf } from './effects.ts'
import type { VirtualDomain } from './host.ts'
import type { SimulatedOptions } from './options.ts'

/**
 * Logs in with `access` and runs `true`. Throws `host_key_mismatch`, `ssh_failed`; a door that never opens waits for
 * `signal`. The user's key must be the one the kit was given; only its public half is known here, hence `publicKey`.
 */
export type SimulatedDoor = (
  access: Omit<Access, 'privateKey'>,
  publicKey: string,
  signal: AbortSignal,
) => Promise<void>

export function simulatedDoor(options: SimulatedOptions): SimulatedDoor {
  const act = effectsOf(options)
  return async (access, publicKey, signal) => {
    const domain = behind(options, access.address)
    const { machine, behaviour } = domain.guest
    if (behaviour === 'shut') await aborted(signal)
    await act('door', machine, () => enter(options, domain, access.hostKey, publicKey), signal)
  }
}

function behind({ host }: SimulatedOptions, address: string): VirtualDomain {
  for (const thing of host.things()) {
    if (thing.kind === 'domain' && address === doorAddress(host.id, thing.guest.machine)) return thing
  }
  throw new SlipwayError('ssh_failed', { machine: address, detail: 'no route to host' })
}

function enter({ host }: SimulatedOptions, domain: VirtualDomain, hostKey: string, publicKey: string): void {
  const { machine, ...guest } = domain.guest
  const refuse = (detail: string): never => {
    throw new SlipwayError('ssh_failed', { machine, detail })
  }
  if (domain.state !== 'running') refuse('connection reset')
  if (host.get('namespace', domain.name)?.link !== 'up') refuse('its link is down')
  if (guest.hostKey !== hostKey) throw new SlipwayError('host_key_mismatch', { machine })
  if (guest.authorizedKey === undefined || !sameKey(guest.authorizedKey, publicKey)) refuse('key refused')
}

/** Type and base64 count, the comment does not. */
const sameKey = (a: string, b: string): boolean => keyPart(a) === keyPart(b)
const keyPart = (line: string): string => line.split(' ').slice(0, 2).join(' ')

/** No network lies behind it; distinct per machine, so that a mix-up shows. */
export const doorAddress = (host: string, machine: string): string => `${machine}.${host}.simulated.invalid`

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
