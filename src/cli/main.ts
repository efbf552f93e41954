/** The process: arguments in, text out, an exit code. */
import { cli } from './cli.ts'
import { interruption } from './interruption.ts'

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

process.exitCode = await cli(process.argv.slice(2), io)
