/**
 * The same clone without Slipway and without libvirt: QEMU as a clone of ours was started (its own arguments, template,
 * seccomp and all), an overlay, the state loaded by its monitor, resumed. What there is beyond that is ours to answer for.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, readFile, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { dial } from './dial.ts'

export interface RawClone {
  readonly args: readonly string[]
  readonly template: string
  readonly folder: string
}

const TAP = 'slwbench0'
const RESUME_MS = 30_000
const POLL_MS = 2

/** Reads from a living clone how it was started; what names the clone or its daemon names a file in `folder` instead. */
export async function rawCloneOf(pid: number, folder: string): Promise<RawClone> {
  const [, ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1)
  const memory = args.find((arg) => arg.includes('"mem-path"')) ?? ''
  const template = dirname(JSON.parse(memory)['mem-path'])
  return { args: withoutDaemon(args, template, folder), template, folder }
}

function withoutDaemon(args: readonly string[], template: string, folder: string): readonly string[] {
  const own: string[] = []
  for (let i = 0; i < args.length; i++) {
    const [flag = '', value = ''] = [args[i], args[i + 1]]
    const isDaemons = flag === '-add-fd' || value.includes('"secret"')
    if (isDaemons) i++
    else own.push(flag)
  }
  return own.map((arg) => {
    if (arg.startsWith('guest=')) return 'guest=bench'
    if (arg.includes('"type":"tap"'))
      return `{"type":"tap","ifname":"${TAP}","script":"no","downscript":"no","id":"hostnet0"}`
    if (/"filename":"[^"]*\/machines\//.test(arg))
      return arg.replace(/"filename":"[^"]*"/, `"filename":${JSON.stringify(join(folder, 'clone.qcow2'))}`)
    const chardev = /^socket,id=([a-z0-9]+),fd=\d+,server=on,wait=off/.exec(arg)?.[1]
    if (chardev !== undefined) return `socket,id=${chardev},path=${join(folder, chardev)},server=on,wait=off`
    return arg.replaceAll(/"mem-path":"[^"]*"/g, `"mem-path":${JSON.stringify(join(template, 'memory'))}`)
  })
}

/** From nothing to a guest that runs, ms. */
export async function resumeRaw({ args, template, folder }: RawClone): Promise<number> {
  const startMs = performance.now()
  const overlay = join(folder, 'clone.qcow2')
  await copyFile(join(template, 'overlay.qcow2'), overlay)
  const qemu = spawn('/usr/bin/qemu-system-x86_64', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(qemu, 'close')
  try {
    using monitor = await Monitor.open(join(folder, 'charmonitor'), AbortSignal.timeout(RESUME_MS))
    await monitor.ask({ execute: 'qmp_capabilities' })
    const capabilities = [{ capability: 'x-ignore-shared', state: true }]
    await monitor.ask({ execute: 'migrate-set-capabilities', arguments: { capabilities } })
    const uri = `file:${join(template, 'state')}`
    await monitor.ask({ execute: 'migrate-incoming', arguments: { uri } })
    while ((await monitor.ask({ execute: 'query-migrate' })).status !== 'completed') await wait(POLL_MS)
    await monitor.ask({ execute: 'cont' })
    return performance.now() - startMs
  } finally {
    qemu.kill('SIGKILL')
    await ended
    await rm(overlay, { force: true })
  }
}

/** QEMU's monitor by its socket: one question at a time, events passed over. */
class Monitor implements Disposable {
  readonly #socket: Socket
  #answer: PromiseWithResolvers<Record<string, unknown>> | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    createInterface({ input: socket }).on('line', (line) => {
      const reply = JSON.parse(line)
      if (reply.error !== undefined) this.#answer?.reject(new Error(JSON.stringify(reply.error)))
      else if (reply.return !== undefined) this.#answer?.resolve(reply.return)
    })
  }

  static async open(path: string, signal: AbortSignal): Promise<Monitor> {
    return new Monitor(await dial(path, POLL_MS, signal))
  }

  async ask(command: object): Promise<Record<string, unknown>> {
    this.#answer = Promise.withResolvers()
    this.#socket.write(`${JSON.stringify(command)}\n`)
    return this.#answer.promise
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}
