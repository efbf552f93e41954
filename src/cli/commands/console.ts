/** A machine's serial console on this terminal, in raw mode: every key but the escape goes to the guest. */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { CONSOLE_PATH } from '../../api/index.ts'
import { SlipwayError } from '../../model/index.ts'
import type { Call, Io } from '../command.ts'
import { escapeFilter } from '../escape.ts'
import { EXIT } from '../exit.ts'
import { pickMachine } from '../pick.ts'
import { reach, socketOf } from '../reach.ts'

const OPEN_DEADLINE_MS = 10_000

export async function main(call: Call): Promise<number> {
  const { io } = call
  const client = await reach(call)
  const { machine } = await pickMachine(client, call.args[0] ?? '', io.signal)
  const socket = await socketOf(call)
  const path = CONSOLE_PATH.replace(':machine', machine)
  const stream = new WebSocket(`ws+unix:${socket}:${path}`, { handshakeTimeout: OPEN_DEADLINE_MS })
  try {
    await once(stream, 'open', { signal: io.signal })
  } catch (cause) {
    stream.on('error', () => undefined).terminate()
    throw io.signal.aborted
      ? io.signal.reason
      : new SlipwayError('not_found', { kind: 'console of machine', name: machine }, { cause })
  }
  if (io.stdin.isTTY) io.stderr.write(`console of ${machine}; ~. on a new line leaves it\r\n`)
  await join(stream, io)
  return EXIT.ok
}

/** Resolves when the person leaves, the machine ends, or the call is interrupted. */
async function join(stream: WebSocket, io: Io): Promise<void> {
  const filter = escapeFilter()
  const type = (bytes: Buffer): void => {
    const { send, left } = filter(bytes.toString('latin1'))
    if (send !== '') stream.send(Buffer.from(send, 'latin1'))
    if (left) stream.close()
  }
  const raw = (on: boolean): void => {
    if ('setRawMode' in io.stdin && typeof io.stdin.setRawMode === 'function') io.stdin.setRawMode(on)
  }
  const leave = (): void => stream.close()
  stream.on('message', (bytes: Buffer) => void io.stdout.write(bytes))
  stream.on('error', leave)
  io.signal.addEventListener('abort', leave, { once: true })
  io.stdin.on('data', type)
  raw(true)
  try {
    await once(stream, 'close')
  } finally {
    raw(false)
    io.stdin.off('data', type).pause()
    io.signal.removeEventListener('abort', leave)
  }
}
