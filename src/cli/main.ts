/** The process: arguments in, text out, an exit code. */
import { cli } from './cli.ts'
import { interruption } from './interruption.ts'

const { stdin, stdout, stderr, env } = process
for (const stream of [stdout, stderr]) stream.on('error', () => undefined)
process.exitCode = await cli(process.argv.slice(2), { stdin, stdout, stderr, env, signal: interruption() })
