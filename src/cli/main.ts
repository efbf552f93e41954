/** The process: arguments in, text out, an exit code. */
import { cli } from './cli.ts'
import type { Io } from './command.ts'
import { interruption } from './interruption.ts'
import { printTo } from './print.ts'

const LINGER_MS = 1_000

/** A reader of our output that goes away, as `head` does, is not our failure. */
function quiet<Stream extends NodeJS.WritableStream>(stream: Stream): Stream {
  return stream.listenerCount('error') === 0 ? stream.on('error', () => undefined) : stream
}

let signal: AbortSignal | undefined

/** What a call may need of the outside, opened when it is first used: each costs milliseconds. */
const io: Io = {
  print: printTo(() => io.stdout),
  get stdin() {
    return process.stdin
  },
  get stdout() {
    return quiet(process.stdout)
  },
  get stderr() {
    return quiet(process.stderr)
  },
  get signal() {
    signal ??= interruption()
    return signal
  },
  env: process.env,
}

void cli(process.argv.slice(2), io).then((code) => {
  process.exitCode = code
  // What should have let go of the process by now may keep it no longer.
  setTimeout(() => process.exit(code), LINGER_MS).unref()
})
