import type { Caller, CallOptions } from './connection.ts'
import type { Domain } from './event.ts'
import type { LibvirtStream } from './stream.ts'

export interface ConsoleOptions extends CallOptions {
  /** Alias of the serial device, for example `serial0`; the first console if absent. */
  readonly device?: string | undefined
  /** Bits of `ConsoleFlag`. */
  readonly flags?: number | undefined
}

/**
 * The machine's console, both directions, from now on: what the guest wrote before is not in it.
 * `options.signal` ends it. Errors as `Caller.openStream`; `OPERATION_FAILED` if it is taken already.
 *
 * Input a guest does not read is held by libvirtd and counts as an unanswered call: a console a
 * person types into deserves a connection of its own.
 */
export function openConsole(
  caller: Caller,
  dom: Domain,
  options: ConsoleOptions = {},
): Promise<LibvirtStream> {
  const { device, flags = 0 } = options
  return caller.openStream('domainOpenConsole', { dom, device, flags }, options)
}
