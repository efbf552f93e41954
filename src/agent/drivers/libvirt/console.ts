import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { type MachineId, SlipwayError } from '../../../model/index.ts'
import type { ConsoleStream } from '../driver.ts'

/** Of the log's end: more than anybody reads. */
const TAIL_BYTES = 64 * 1024
const LINES_MAX = 1_000
const LINE_CHARS_MAX = 500

/** The last lines of a console's log, cleaned of whatever would act on a terminal; none if there is no log. */
export async function consoleTail(file: string, lines: number): Promise<readonly string[]> {
  const kept = Math.min(Math.max(lines, 0), LINES_MAX)
  return kept === 0 ? [] : cleanLines(await readTail(file)).slice(-kept)
}

/** Colours and cursor movements leave whole, other control characters one by one; empty lines say nothing. */
export const cleanLines = (text: string): readonly string[] =>
  text
    // biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are what is removed
    .replace(/\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(\u0007|\u001b\\)|\u001b[ -/]*[0-~]/g, '')
    .split(/\r?\n|\r/)
    .map((line) => line.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').trimEnd())
    // biome-ignore-end lint/suspicious/noControlCharactersInRegex: as above
    .filter((line) => line !== '')
    .map((line) => line.slice(0, LINE_CHARS_MAX))

async function readTail(file: string): Promise<string> {
  try {
    await using handle = await open(file, 'r')
    const { size } = await handle.stat()
    const length = Math.min(size, TAIL_BYTES)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString('utf8', 0, bytesRead)
  } catch {
    return ''
  }
}

/**
 * The live console, which QEMU serves on a socket inside the machine's enclosure: libvirt's own call for it takes a
 * terminal only, and a terminal would have to be shared with the host. One reader at a time; it is ours to say which.
 */
export async function attachConsole(
  path: string,
  { machine, signal }: { readonly machine: MachineId; readonly signal: AbortSignal },
): Promise<ConsoleStream> {
  const socket = connect({ path })
  try {
    await once(socket, 'connect', { signal })
  } catch (error) {
    socket.on('error', () => undefined).destroy()
    signal.throwIfAborted()
    throw new SlipwayError('not_found', { kind: 'console of machine', name: machine }, { cause: error })
  }
  // The end of the machine or of its reader; either way there is nothing more to read.
  socket.on('error', () => undefined)
  const leave = (): void => void socket.destroy()
  signal.addEventListener('abort', leave, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', leave))
  return {
    output: untilClosed(socket),
    write(bytes) {
      if (socket.writableLength < UNREAD_BYTES_MAX) socket.write(bytes)
    },
  }
}

/** What a guest that reads nothing is sent before more is dropped. */
const UNREAD_BYTES_MAX = 64 * 1024

async function* untilClosed(socket: Socket): AsyncGenerator<Uint8Array> {
  try {
    yield* socket
  } catch {
    // Reading from a socket that was destroyed under the reader ends the reading.
  }
}
