/**
 * How long the command line takes to start, beside a Node that does nothing, in the same run.
 *   sh bin/node bench/cli-start.ts
 * Promised: `--help` within 2 times `node -e 0`, a read over the socket within 3.5 times. Exits 1 otherwise.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fakeCoordinator } from '../test/cli/fake-coordinator.ts'

const ROUNDS = 31
const RATIO_MAX: Readonly<Record<string, number>> = { '--help': 2, 'a read over the socket': 3.5 }

const slipway = join(import.meta.dirname, '../bin/slipway')

// The server must live outside this process, which is blocked while a command runs.
if (process.argv[2] === 'serve') {
  const server = await fakeCoordinator({ 'GET /v1/tokens': { body: { tokens: [] } } })
  console.log(server.socket)
  process.once('SIGTERM', () => void server[Symbol.asyncDispose]().then(() => process.exit()))
} else {
  const server = spawn(process.execPath, [import.meta.filename, 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [line] = await once(server.stdout, 'data')
    measure(String(line).trim())
  } finally {
    server.kill('SIGTERM')
  }
}

function measure(socket: string): void {
  const env = { ...process.env, SLIPWAY_SOCKET: socket }
  const cases: Readonly<Record<string, readonly [string, ...string[]]>> = {
    'node -e 0': [process.execPath, '-e', '0'],
    '--help': [slipway, '--help'],
    'a read over the socket': [slipway, 'token', 'ls'],
  }
  const times = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]))
  // The first round pays for the bundle and cold caches. Rounds alternate: a busy moment meets all alike.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, [program, ...args]] of Object.entries(cases)) {
      const start = performance.now()
      const { status, stderr } = spawnSync(program, args, { env })
      if (status !== 0) throw new Error(`${name}: ${stderr}`)
      if (round > 0) times.get(name)?.push(performance.now() - start)
    }
  }
  const median = (name: string): number =>
    times.get(name)?.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN
  console.log('| start | median ms | times node -e 0 | at most |\n| --- | ---: | ---: | ---: |')
  for (const name of Object.keys(cases)) {
    const ratio = median(name) / median('node -e 0')
    const most = RATIO_MAX[name]
    if (most !== undefined && ratio > most) process.exitCode = 1
    console.log(`| ${name} | ${median(name).toFixed(1)} | ${ratio.toFixed(2)} | ${most ?? ''} |`)
  }
}
