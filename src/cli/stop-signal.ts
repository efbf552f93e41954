import { SlipwayError } from '../model/index.ts'
import type { Call } from './command.ts'

/** Aborts when one of our servers shall stop: by a signal, or with `--while-stdin` when standard input ends. */
export function stopSignal({ io, options }: Pick<Call, 'io' | 'options'>): AbortSignal {
  if (!options.flag('whileStdin')) return io.signal
  const ended = new AbortController()
  const end = (): void =>
    ended.abort(new SlipwayError('cancelled', { what: 'the process, whose parent is gone,' }))
  io.stdin.on('end', end).on('close', end).on('error', end).resume()
  return AbortSignal.any([io.signal, ended.signal])
}
