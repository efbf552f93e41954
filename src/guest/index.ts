/** Reach into a running guest. */
export { type ConnectOptions, connectSsh, type Exec, type Exit, type GuestSsh, shellQuote } from './ssh.ts'
