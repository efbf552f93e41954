/** A Slipway as people run it, from its bundle, in directories of its own: what a bench measures. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Client, connect } from '../src/api/index.ts'
import { type InstanceOptions, layOut, type Paths, pidsOf, qemuOf, remove } from '../test/up/instance.ts'

export interface Instance extends AsyncDisposable {
  readonly client: Client
  readonly coordinator: number
  readonly agent: number
  /** Of its only machine. */
  qemu(): number | undefined
}

const program = join(import.meta.dirname, '../bin/slipway')

/** Resolves once it is ready; disposing stops it, machines and all. */
export async function startInstance(
  options: InstanceOptions & { readonly prepare?: (paths: Paths) => void | Promise<void> },
): Promise<Instance> {
  const paths = layOut(options)
  await options.prepare?.(paths)
  const up = spawn(program, ['--config', paths.config, 'up'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(up, 'close')
  const dispose = async (): Promise<void> => {
    up.kill('SIGTERM')
    await ended
    remove(paths)
  }
  let log = ''
  up.stderr.on('data', (chunk: Buffer) => {
    log = `${log}${chunk}`.slice(-LOG_CHARS_MAX)
  })
  const lines = createInterface({ input: up.stdout })
  const said = await Promise.race([once(lines, 'line').then(([line]) => String(line)), ended.then(() => '')])
  const [coordinator] = pidsOf('--config', paths.config, 'coordinator')
  const [agent] = pidsOf('--config', paths.config, 'agent')
  if (!said.startsWith('ready') || coordinator === undefined || agent === undefined) {
    await dispose()
    throw new Error(`slipway up did not become ready: ${log}`)
  }
  return {
    client: connect(paths.socket),
    coordinator,
    agent,
    qemu: () => qemuOf(paths),
    [Symbol.asyncDispose]: dispose,
  }
}

const LOG_CHARS_MAX = 4_000
