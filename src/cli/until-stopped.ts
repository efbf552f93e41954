/** How our servers end: by a signal, or with their parent when they are told to. */
import { once } from 'node:events'
import type { Call } from './command.ts'

/** Resolves when the call is interrupted, or with `--while-stdin` when standard input ends. */
export async function untilStopped({ io, options }: Pick<Call, 'io' | 'options'>): Promise<void> {
  const interrupted = once(io.signal, 'abort')
  if (io.signal.aborted) return
  if (!options.flag('whileStdin')) return void (await interrupted)
  io.stdin.resume()
  await Promise.race([interrupted, once(io.stdin, 'end'), once(io.stdin, 'close')])
  io.stdin.pause()
}
