/** The process: arguments in, text out, an exit code. */
import { cli } from './cli.ts'
import { interruption } from './interruption.ts'

const LINGER_MS = 1_000

/** A reader of our output that goes away, as `head` does, is not our failure. */
function quiet<Stream extends NodeJS.WritableStream>(stream: Stream): Stream {
  return stream.listenerCount('error') === 0 ? stream.on('error', () => undefined) : stream
}

/** Streams are opened when they are first used: each costs milliseconds. */
const io = {
  get stdin() {
    return process.stdin
  },
  get stdout() {
    return quiet(process.stdout)
  },
  get stderr() {
    return quiet(process.stderr)
  },
  env: process.env,
  signal: interruption(),
}

const code = await cli(process.argv.slice(2), io)
process.exitCode = code
// What should have let go of the process by now may keep it no longer.
setTimeout(() => process.exit(code), LINGER_MS).unref()
