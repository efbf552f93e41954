import { writeSync } from 'node:fs'

const STDOUT = 1

/** Writes to stdout at once; what a full pipe does not take goes the slow way, through `stream`. */
export function printTo(stream: () => NodeJS.WritableStream): (text: string) => void {
  let slow = false
  return (text) => {
    let rest = Buffer.from(text)
    while (!slow && rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(STDOUT, rest))
      } catch (error) {
        // EAGAIN: the pipe is full. EPIPE: its reader went away, which the stream takes quietly.
        if (!(error instanceof Error && 'code' in error)) throw error
        slow = true
      }
    }
    if (rest.length > 0) stream().write(rest)
  }
}
