import { LibvirtError, LibvirtProtocolError } from './error.ts'
import { ErrorReply, events, procedures } from './generated/protocol.ts'
import { decodeMessage, type MessageHeader } from './message.ts'
import { readWhole, type XdrReader } from './xdr/index.ts'

/** What libvirtd may send, told apart. */
export type Incoming =
  | {
      readonly kind: 'reply' | 'packet' | 'event'
      readonly header: MessageHeader
      readonly payload: XdrReader
    }
  | { readonly kind: 'ping' | 'pong' }

/** Who a message is about; what is sent in answer carries the same. */
export type Address = Pick<MessageHeader, 'program' | 'version' | 'procedure'>

const KEEP_ALIVE_PROGRAM = events.keepalivePing.program
const PROGRAMS = new Set<number>(Object.values({ ...procedures, ...events }).map(({ program }) => program))
const PROGRAM_VERSION = 1

/** Throws `LibvirtProtocolError` for what no libvirtd sends to a client of ours. */
export function readIncoming(frame: Buffer): Incoming {
  const { header, payload } = decodeMessage(frame)
  if (!PROGRAMS.has(header.program) || header.version !== PROGRAM_VERSION) {
    throw unexpected(`program 0x${header.program.toString(16)} version ${header.version} is none of ours`)
  }
  switch (header.type) {
    case 'reply':
      if (header.status === 'continue') throw unexpected('a reply that says it continues')
      return { kind: 'reply', header, payload }
    case 'stream':
    case 'streamHole':
      return { kind: 'packet', header, payload }
    case 'message':
      if (header.program !== KEEP_ALIVE_PROGRAM) return { kind: 'event', header, payload }
      return { kind: header.procedure === events.keepalivePing.procedure ? 'ping' : 'pong' }
    case 'call':
    case 'callWithFds':
    case 'replyWithFds':
      throw unexpected(`libvirtd sent a ${header.type}`)
  }
}

/** Refuses a message that answers another procedure than the one that was called under its serial. */
export function expectFrom(row: Address, header: MessageHeader): void {
  if (row.program !== header.program || row.procedure !== header.procedure) {
    throw unexpected(`serial ${header.serial} is procedure ${row.procedure}, not ${header.procedure}`)
  }
}

export function unexpected(message: string): LibvirtProtocolError {
  return new LibvirtProtocolError('MESSAGE_UNEXPECTED', message)
}

/** What libvirtd said went wrong; a protocol error if it did not say it properly. */
export function readError(procedure: string, payload: XdrReader): Error {
  try {
    const { code, domain, level, message } = readWhole(ErrorReply, payload)
    return new LibvirtError({ code, domain, level, message: message ?? 'no message', procedure })
  } catch (error) {
    if (error instanceof LibvirtProtocolError) return error
    throw error
  }
}
