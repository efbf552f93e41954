import type { Caller, CallOptions } from './connection.ts'
import { QemuCommandError } from './error.ts'
import type { Domain } from './event.ts'

/** A command of QEMU's monitor (QMP) or of the guest agent: both speak the same JSON. */
export interface QemuCommand {
  readonly execute: string
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
}

export interface ReplyOptions extends CallOptions {
  /** A longer reply is `REPLY_TOO_LARGE`. Never more than 4 MiB, which is what libvirt carries. */
  readonly replyBytesMax?: number | undefined
}

export interface AgentOptions extends ReplyOptions {
  /** How long libvirtd waits for the guest, in whole seconds (1 or more). */
  readonly timeoutSeconds?: number | undefined
}

const REPLY_BYTES_MAX = 1024 * 1024
const AGENT_TIMEOUT_SECONDS = 5
/** libvirtd syncs with the agent first, which has 5 s of its own; then it must get round to answering us. */
const AGENT_MARGIN_MS = 15_000
const MONITOR_HMP = 1
const SHOWN_CHARACTERS_MAX = 200

/**
 * The QEMU program of libvirt's RPC.
 *
 * Errors besides those of `Caller.call`: `QemuCommandError` when the command was answered but has no
 * result. An agent that does not answer is `LibvirtError` with `AGENT_UNRESPONSIVE`,
 * `AGENT_COMMAND_TIMEOUT` or `AGENT_UNSYNCED`; one that refuses may also be `AGENT_COMMAND_FAILED`.
 */
export function qemu(caller: Caller) {
  return {
    /** Runs a QMP command and returns its `return` value. Taints the machine in libvirt's eyes. */
    async monitor(dom: Domain, command: QemuCommand, options: ReplyOptions = {}): Promise<unknown> {
      const args = { dom, command: JSON.stringify(command), flags: 0 }
      const { result } = await caller.call('domainMonitorCommand', args, options)
      return returnValue(command.execute, result, options)
    },

    /** Runs a command of the human monitor, for example `info status`, and returns its text. */
    async monitorText(dom: Domain, command: string, options: ReplyOptions = {}): Promise<string> {
      const { result } = await caller.call(
        'domainMonitorCommand',
        { dom, command, flags: MONITOR_HMP },
        options,
      )
      return checkedSize(command, result, options)
    },

    /** Runs a guest agent command and returns its `return` value. The guest chooses it: trust nothing in it. */
    async agent(dom: Domain, command: QemuCommand, options: AgentOptions = {}): Promise<unknown> {
      const { timeoutSeconds = AGENT_TIMEOUT_SECONDS } = options
      const timeoutMs = options.timeoutMs ?? timeoutSeconds * 1_000 + AGENT_MARGIN_MS
      const args = { dom, command: JSON.stringify(command), timeoutSeconds, flags: 0 }
      const { result } = await caller.call('domainAgentCommand', args, { ...options, timeoutMs })
      if (result === undefined)
        throw new QemuCommandError('REPLY_MISSING', `${command.execute}: the guest agent sent no reply`)
      return returnValue(command.execute, result, options)
    },
  }
}

function checkedSize(
  command: string,
  result: string,
  { replyBytesMax = REPLY_BYTES_MAX }: ReplyOptions,
): string {
  const size = Buffer.byteLength(result)
  if (size <= replyBytesMax) return result
  throw new QemuCommandError(
    'REPLY_TOO_LARGE',
    `${command}: a reply of ${size} bytes, at most ${replyBytesMax} are read`,
  )
}

function returnValue(command: string, result: string, options: ReplyOptions): unknown {
  const reply = parseObject(command, checkedSize(command, result, options))
  if ('return' in reply) return reply.return
  if (typeof reply.error !== 'object' || reply.error === null) throw malformed(command, result)
  const { class: errorClass, desc } = reply.error as { readonly class?: unknown; readonly desc?: unknown }
  throw new QemuCommandError(
    'REFUSED',
    `${command}: ${shown(String(desc))}`,
    typeof errorClass === 'string' ? shown(errorClass) : undefined,
  )
}

function parseObject(command: string, result: string): Readonly<Record<string, unknown>> {
  let reply: unknown
  try {
    reply = JSON.parse(result)
  } catch {
    throw malformed(command, result)
  }
  if (typeof reply !== 'object' || reply === null) throw malformed(command, result)
  return reply as Readonly<Record<string, unknown>>
}

function malformed(command: string, result: string): QemuCommandError {
  return new QemuCommandError('REPLY_MALFORMED', `${command}: no reply in QEMU's form: ${shown(result)}`)
}

/** Enough to recognise, as one harmless line: the text may come from a guest. */
function shown(text: string): string {
  const line = JSON.stringify(text.slice(0, SHOWN_CHARACTERS_MAX)).slice(1, -1)
  return text.length > SHOWN_CHARACTERS_MAX ? `${line}…` : line
}
