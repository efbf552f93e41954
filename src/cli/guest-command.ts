/** A command in a machine, joined to our own streams. */
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import type { Reply } from '../api/index.ts'
import { type Access, Secret } from '../model/index.ts'
import type { Io } from './command.ts'
import { EXIT } from './exit.ts'

/** Access as the API gives it, with its key made unprintable at once. */
export const toAccess = (reply: Reply<'machineAccess'>): Access => ({
  ...reply,
  privateKey: new Secret(reply.privateKey),
})

export interface GuestCommand {
  readonly io: Pick<Io, 'stdin' | 'stdout' | 'stderr'>
  readonly access: Access
  readonly machine: string
  /** Words, not a line: each reaches the guest's program as it was written. */
  readonly words: readonly string[]
  readonly signal: AbortSignal
  readonly connected: () => void
}

/** Runs the command and gives the exit code to end with: its own, or 128 + its signal, as shells do. */
export async function runInGuest(command: GuestCommand): Promise<number> {
  const { io, machine, access, signal } = command
  const { connectSsh, shellQuote } = await import('../guest/index.ts')
  using ssh = await connectSsh({ access, machine, signal })
  command.connected()
  const exit = await ssh.exec(command.words.map(shellQuote).join(' '), {
    stdin: io.stdin as Readable,
    stdout: io.stdout as Writable,
    stderr: io.stderr as Writable,
    signal,
  })
  return 'code' in exit ? exit.code : SIGNAL_BASE + signalNumber(exit.signal)
}

const SIGNAL_BASE = 128

function signalNumber(name: string): number {
  for (const [known, number] of Object.entries(constants.signals)) if (known === name) return number
  return EXIT.failed
}
