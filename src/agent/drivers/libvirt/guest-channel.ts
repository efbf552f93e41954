import { randomInt } from 'node:crypto'
import {
  type Caller,
  type Domain,
  ErrorNumber,
  LibvirtConnectionError,
  LibvirtError,
  type QemuCommand,
  QemuCommandError,
  qemu,
} from '../../../libvirt/index.ts'
import { type MachineId, SlipwayError, sleep, systemClock } from '../../../model/index.ts'
import type { GuestChannel } from '../driver.ts'
import type { KitPort } from './kit-port.ts'
import { refusal } from './refusal.ts'

/** What a program in the guest may print, both streams together. */
export const OUTPUT_BYTES_MAX = 1024 * 1024
/** Base64, JSON around it. */
const REPLY_BYTES_MAX = 2 * OUTPUT_BYTES_MAX
/** Questions to a guest that may not be there yet are short, so that the one after it came up is soon. */
const SYNC_SECONDS = 2
const COMMAND_SECONDS = 10
/** Between two questions: soon at first, then less often. */
const POLL_FIRST_MS = 10
const POLL_MAX_MS = 200
const POLL_GROWTH = 1.5
const ID_MAX = 2 ** 31

interface Patience {
  readonly signal: AbortSignal
  readonly deadlineMs: number
}

export interface GuestChannelOptions {
  readonly machine: MachineId
  readonly caller: Caller
  /** Throws if the machine does not run. */
  readonly domain: () => Promise<Domain>
  readonly kit: () => Promise<KitPort>
}

/**
 * The guest agent through libvirt. The guest is the server here and may be hostile: every reply has a limit in bytes
 * and in time and is judged field by field. libvirt synchronises before each command and drops what came late.
 */
export function guestChannel({ machine, caller, domain, kit }: GuestChannelOptions): GuestChannel {
  const speak = async (command: QemuCommand, seconds: number, signal: AbortSignal): Promise<unknown> =>
    qemu(caller).agent(await domain(), command, {
      timeoutSeconds: seconds,
      replyBytesMax: REPLY_BYTES_MAX,
      signal,
    })

  const sync = (patience: Patience): Promise<void> =>
    patiently(machine, patience, async (signal) => {
      for await (const _ of polls(signal)) {
        const id = randomInt(1, ID_MAX)
        try {
          const answer = await speak({ execute: 'guest-sync', arguments: { id } }, SYNC_SECONDS, signal)
          if (answer === id) return
        } catch (error) {
          if (!isSilence(error) && !isLost(error)) throw await judged(machine, error)
        }
      }
    })

  const answered = async (command: QemuCommand, signal: AbortSignal): Promise<unknown> => {
    try {
      return await speak(command, COMMAND_SECONDS, signal)
    } catch (error) {
      throw await judged(machine, error)
    }
  }

  const exec: GuestChannel['exec'] = (path, args, { stdin, ...patience }) =>
    patiently(machine, patience, async (signal) => {
      const command = {
        execute: 'guest-exec',
        arguments: {
          path,
          arg: args,
          'input-data': Buffer.from(stdin).toString('base64'),
          'capture-output': true,
        },
      }
      const started = await answered(command, signal)
      const pid = numberIn(machine, started, 'pid')
      for await (const _ of polls(signal)) {
        const status = await answered({ execute: 'guest-exec-status', arguments: { pid } }, signal)
        const ended = execResult(machine, status)
        if (ended !== undefined) return ended
      }
      throw signal.reason
    })

  const ask: GuestChannel['ask'] = (request, patience) =>
    patiently(machine, patience, async (signal) => (await kit()).ask(request, signal))

  return { ask, sync, exec }
}

/** `work` until the deadline, which is then the guest's silence. */
async function patiently<T>(
  machine: MachineId,
  { signal, deadlineMs }: Patience,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const controller = new AbortController()
  const timer = setTimeout(
    () => controller.abort(new SlipwayError('guest_silent', { machine, deadlineMs })),
    deadlineMs,
  )
  try {
    return await work(AbortSignal.any([signal, controller.signal]))
  } finally {
    clearTimeout(timer)
  }
}

/** Yields at once, then after pauses that grow; rejects with the signal's reason. */
async function* polls(signal: AbortSignal): AsyncGenerator<void> {
  for (let pauseMs = POLL_FIRST_MS; ; pauseMs = Math.min(pauseMs * POLL_GROWTH, POLL_MAX_MS)) {
    signal.throwIfAborted()
    yield
    await sleep(systemClock, pauseMs, signal)
  }
}

/** The agent is not there yet, or did not answer this time. */
const isSilence = (error: unknown): boolean =>
  error instanceof LibvirtError &&
  (error.code === ErrorNumber.AGENT_UNRESPONSIVE ||
    error.code === ErrorNumber.AGENT_UNSYNCED ||
    error.code === ErrorNumber.AGENT_COMMAND_TIMEOUT)

/** libvirtd died over the question; the guest knows nothing of it. */
const isLost = (error: unknown): boolean => error instanceof LibvirtConnectionError

async function judged(machine: MachineId, error: unknown): Promise<unknown> {
  if (isSilence(error))
    return new SlipwayError('guest_silent', { machine, deadlineMs: COMMAND_SECONDS * 1000 }, { cause: error })
  if (error instanceof QemuCommandError)
    return new SlipwayError('guest_misbehaved', { machine, what: describe(error) }, { cause: error })
  if (error instanceof LibvirtError && isGuestsFault(error))
    return new SlipwayError(
      'guest_misbehaved',
      { machine, what: error.message.slice(0, 200) },
      { cause: error },
    )
  return refusal(error, { action: 'speak to the guest of', object: machine })
}

/** libvirt could not make sense of what the guest sent, or the guest refused the command. */
const isGuestsFault = ({ code }: LibvirtError): boolean =>
  code === ErrorNumber.INTERNAL_ERROR || code === ErrorNumber.AGENT_COMMAND_FAILED || code === ErrorNumber.RPC

const describe = (error: QemuCommandError): string =>
  error.code === 'REPLY_TOO_LARGE' ? `more than ${REPLY_BYTES_MAX} bytes` : error.message.slice(0, 200)

interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** `guest-exec-status`, or undefined while the program runs. A program ended by a signal has the shell's 128 + n. */
function execResult(machine: MachineId, status: unknown): ExecResult | undefined {
  const reply = record(machine, status)
  if (typeof reply.exited !== 'boolean') throw misbehaved(machine, 'no "exited" in guest-exec-status')
  if (!reply.exited) return undefined
  if (reply['out-truncated'] === true || reply['err-truncated'] === true)
    throw misbehaved(machine, 'more output than its agent keeps')
  const exitCode =
    reply.signal === undefined
      ? numberIn(machine, status, 'exitcode')
      : 128 + numberIn(machine, status, 'signal')
  const stdout = text(machine, reply['out-data'])
  const stderr = text(machine, reply['err-data'])
  if (stdout.length + stderr.length > OUTPUT_BYTES_MAX)
    throw misbehaved(machine, `more than ${OUTPUT_BYTES_MAX} bytes of output`)
  return { exitCode, stdout, stderr }
}

function record(machine: MachineId, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw misbehaved(machine, 'no object')
  return value as Readonly<Record<string, unknown>>
}

function numberIn(machine: MachineId, reply: unknown, key: string): number {
  const value = record(machine, reply)[key]
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw misbehaved(machine, `no number "${key}"`)
}

function text(machine: MachineId, data: unknown): string {
  if (data === undefined) return ''
  if (typeof data !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(data))
    throw misbehaved(machine, 'output that is not base64')
  return Buffer.from(data, 'base64').toString('utf8')
}

const misbehaved = (machine: MachineId, what: string): SlipwayError =>
  new SlipwayError('guest_misbehaved', { machine, what })
