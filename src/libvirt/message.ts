import { LibvirtProtocolError } from './error.ts'
import { enumeration, type Infer, i32, struct, u32, XdrReader, XdrWriter } from './xdr/index.ts'

/**
 * One message of libvirt's RPC (virnetprotocol.x): a length word that counts itself, six words of
 * header, then a payload that depends on type and status.
 *
 *   call     arguments            →      reply    ok: result · error: ErrorReply
 *   stream   continue: raw bytes, none = end of file · ok: finish · error: abort, or ErrorReply from libvirtd
 *   message  event                ←
 */
const MESSAGE_TYPES = {
  call: 0,
  reply: 1,
  message: 2,
  stream: 3,
  callWithFds: 4,
  replyWithFds: 5,
  streamHole: 6,
}
const MESSAGE_STATUSES = { ok: 0, error: 1, continue: 2 }

const Header = struct({
  program: u32,
  version: u32,
  procedure: i32,
  type: enumeration(MESSAGE_TYPES),
  serial: u32,
  status: enumeration(MESSAGE_STATUSES),
})

export type MessageHeader = Infer<typeof Header>

/** VIR_NET_MESSAGE_LEN_MAX: the length word in front. */
export const LENGTH_BYTES = 4
const HEADER_BYTES = 24
/** VIR_NET_MESSAGE_MAX, which leaves the length word out. */
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024
/** VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX: what libvirt itself puts at most into one stream packet. */
export const STREAM_PACKET_BYTES_MAX = 262_120

/** The whole frame, ready for the socket. Throws `LibvirtProtocolError` when the payload does not fit. */
export function encodeMessage(header: MessageHeader, writePayload: (writer: XdrWriter) => void): Buffer {
  const writer = new XdrWriter()
  writer.u32(0)
  Header.write(writer, header)
  writePayload(writer)
  const frame = writer.finish()
  frame.writeUInt32BE(checkedLength(frame.length), 0)
  return frame
}

/** Header, and the payload still to be read, of a frame without its length word. */
export function decodeMessage(body: Buffer): { readonly header: MessageHeader; readonly payload: XdrReader } {
  const payload = new XdrReader(body)
  return { header: Header.read(payload), payload }
}

/** The length word as it stands; refuses what no message can have. */
export function checkedLength(length: number): number {
  if (length < LENGTH_BYTES + HEADER_BYTES || length > LENGTH_BYTES + MESSAGE_BYTES_MAX) {
    throw new LibvirtProtocolError('FRAME_LENGTH', `a message of ${length} bytes is out of bounds`)
  }
  return length
}
