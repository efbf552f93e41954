/** Against a socket of our own in the place of QEMU's. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseId } from '../../../model/index.ts'
import { KitPort, KitPorts } from './kit-port.ts'

const machine = parseId('MachineId', 'm-01j00000000000000000000000')
const { signal } = new AbortController()
let folder: string
let path: string
let server: Server
let guest: (socket: Socket) => void

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-kit-port-'))
  path = join(folder, 'port')
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    guest(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
})

afterEach(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Answers each request with itself in one line, in pieces. */
const echo = (socket: Socket): void => {
  let heard = ''
  socket.on('data', (part) => {
    heard += String(part)
    for (let end = heard.indexOf('\n\n'); end !== -1; end = heard.indexOf('\n\n')) {
      const line = `<${heard.slice(0, end)}>\n`
      heard = heard.slice(end + 2)
      for (const letter of line) socket.write(letter)
    }
  })
}

it('asks one thing at a time, each answered with its own line', async () => {
  guest = echo
  const port = await KitPort.connect(path, machine)
  const asked = ['a=1\n', 'b=2\n', 'c=3\n'].map((request) => port.ask(request, signal))
  expect(await Promise.all(asked)).toEqual(['<a=1>', '<b=2>', '<c=3>'])
  port.close()
})

it('gives up a guest that pours out bytes without a line, and one whose QEMU ends', async () => {
  guest = (socket) => void socket.write('x'.repeat(100_000))
  const flooded = await KitPort.connect(path, machine)
  await expect(flooded.ask('', signal)).rejects.toMatchObject({ code: 'guest_misbehaved' })
  // Whatever comes now would be half of an answer to somebody else.
  await expect(flooded.ask('', signal)).rejects.toMatchObject({ code: 'hypervisor_refused' })
  guest = (socket) => void socket.on('data', () => socket.destroy())
  const ended = await KitPort.connect(path, machine)
  await expect(ended.ask('', signal)).rejects.toMatchObject({ code: 'hypervisor_refused' })
})

it('waits for no guest longer than it is told to', async () => {
  guest = () => undefined
  const port = await KitPort.connect(path, machine)
  const stop = new AbortController()
  const asked = port.ask('', stop.signal)
  stop.abort(new Error('enough'))
  await expect(asked).rejects.toThrow('enough')
})

it('opens a machine’s port once, again after it was closed, and says so if nobody listens', async () => {
  guest = echo
  const ports = new KitPorts()
  const there = async () => path
  expect(await ports.open(machine, there)).toBe(await ports.open(machine, there))
  const first = await ports.open(machine, there)
  ports.close(machine)
  await new Promise((resolve) => setImmediate(resolve))
  const second = await ports.open(machine, there)
  expect(second).not.toBe(first)
  expect(await second.ask('d=4\n', signal)).toBe('<d=4>')
  ports.closeAll()
  const nowhere = ports.open(machine, async () => join(folder, 'nowhere'))
  await expect(nowhere).rejects.toMatchObject({ code: 'hypervisor_refused' })
})
