/**
 * What happens while a person waits, on stderr: one line that is rewritten on a terminal, plain timed lines in a pipe.
 *
 *   [  1.234s] machine m-… created
 */
import type { Clock } from '../model/index.ts'
import { paint, type TextStream } from './text.ts'

export interface Progress {
  /** A step was reached. */
  step(text: string): void
  /** Leaves a terminal's line free for what the guest prints. */
  clear(): void
}

export function progress(stream: TextStream, clock: Clock): Progress {
  const startedAt = clock.now()
  let shown = ''
  const stamp = (): string => `[${((clock.now() - startedAt) / 1000).toFixed(3).padStart(7)}s]`
  if (stream.isTTY !== true) {
    return {
      step(text) {
        if (text !== shown) stream.write(`${stamp()} ${text}\n`)
        shown = text
      },
      clear: () => undefined,
    }
  }
  return {
    step(text) {
      stream.write(`${LINE_START_AND_CLEAR}${paint(stream, 'dim', `${stamp()} ${text}`)}`)
      shown = text
    },
    clear() {
      if (shown !== '') stream.write(LINE_START_AND_CLEAR)
      shown = ''
    },
  }
}

/** For `--quiet`. */
export const silent: Progress = { step: () => undefined, clear: () => undefined }

const LINE_START_AND_CLEAR = '\r\u001b[2K'
