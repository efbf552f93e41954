import { open } from 'node:fs/promises'
import { type Connection, ConsoleFlag, type Domain, openConsole } from '../../../libvirt/index.ts'
import type { ConsoleStream } from '../driver.ts'
import { refusal } from './refusal.ts'

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
 * The live console; whoever had it before loses it. On a connection of its own: input that the guest does not read is
 * held by libvirtd as an unanswered call.
 */
export async function attachConsole(
  connection: Connection,
  domain: Domain,
  signal: AbortSignal,
): Promise<ConsoleStream> {
  try {
    const stream = await openConsole(connection, domain, {
      device: 'serial0',
      flags: ConsoleFlag.force,
      signal,
    })
    stream.once('close', () => void connection.close())
    return {
      output: untilAborted(stream, signal),
      write: (bytes) => {
        stream.write(bytes)
      },
    }
  } catch (error) {
    await connection.close()
    throw refusal(error, { action: 'open the console of', object: domain.name })
  }
}

/** An aborted reader is a reader that has enough, not an error. */
async function* untilAborted(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    yield* stream
  } catch (error) {
    if (!signal.aborted) throw refusal(error, { action: 'read the console of', object: 'a machine' })
  }
}
