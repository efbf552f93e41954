/** A coordinator that answers from a table, for tests of the command line: what it is asked is written down. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { cli } from '../../src/cli/cli.ts'

/** `METHOD /path` → status and body, `*` for any lease; a list is answered one by one, its last for good. */
export type Answers = Readonly<Record<string, Answer | readonly Answer[]>>
export interface Answer {
  readonly status?: number
  readonly body: unknown
}

export interface FakeCoordinator extends AsyncDisposable {
  readonly socket: string
  readonly asked: readonly string[]
}

export async function fakeCoordinator(answers: Answers): Promise<FakeCoordinator> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-cli-'))
  const socket = join(folder, 'admin.sock')
  const asked: string[] = []
  const times = new Map<string, number>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const line = `${request.method} ${request.url}`
      asked.push([line, Buffer.concat(chunks).toString()].join(' ').trim())
      const key = line in answers ? line : line.replace(/(leases\/)[^/?]+/, '$1*')
      const count = times.get(key) ?? 0
      times.set(key, count + 1)
      const { status = 200, body } = choose(answers[key], count) ?? {
        status: 404,
        body: { code: 'not_found', args: { kind: 'answer', name: line } },
      }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    socket,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true })
    },
  }
}

const choose = (answer: Answer | readonly Answer[] | undefined, count: number): Answer | undefined =>
  Array.isArray(answer) ? answer[Math.min(count, answer.length - 1)] : (answer as Answer | undefined)

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** One call of `slipway` in this process. */
export async function slipway(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  signal = new AbortController().signal,
): Promise<Outcome> {
  const [stdout, stderr] = [new Text(), new Text()]
  const stdin = new PassThrough()
  stdin.end()
  const code = await cli(argv, {
    print: (text) => void stdout.write(text),
    stdin,
    stdout,
    stderr,
    env: { SLIPWAY_CONFIG: '/nonexistent', ...env },
    signal,
  })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class Text extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk
    done()
  }
}
