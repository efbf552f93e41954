/** Reach into a running guest. */
export type { Exec, Exit } from './command.ts'
export { type PinnedKey, parseHostKey } from './host-key.ts'
export { type ConnectOptions, connectSsh, type GuestSsh, shellQuote } from './ssh.ts'
export { uplinkPrefix } from './uplink.ts'
