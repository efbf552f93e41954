/**
 * What an SSH server says up to the end of its first key exchange, which it says in the clear (RFC 4253): judged packet
 * by packet, so that nothing goes on to a client of a server that shows another host key than the pinned one. That the
 * server has that key is proven by its signature, which every client checks with the key it was shown.
 *
 *   identification ─► KEXINIT ─► the reply with the host key ─► NEWKEYS ─► encrypted, not looked at any more
 *
 * Each comes once, and nothing but transport notices in between: no order of packets in which client and judge might
 * take different ones for the reply. A guess of the server would be one more, but in no method that has its host key in
 * message 31 does the server speak first. Group exchange has a group there, and is refused.
 */
import type { PinnedKey } from '../../../guest/index.ts'
import { SlipwayError } from '../../../model/index.ts'

export interface Judged {
  readonly pinned: PinnedKey
  /** Named in errors. */
  readonly machine: string
}

/** With the line's end (RFC 4253, 4.2). */
const IDENT_BYTES_MAX = 255
/** Whole, and with its length (RFC 4253, 6.1 and 6). */
const PACKET_BYTES_MAX = 35_000
const PACKET_BYTES_MIN = 16
const PADDING_BYTES_MIN = 4
const BLOCK_BYTES = 8
const LENGTH_BYTES = 4

/** Message numbers of RFC 4250, 4.1.2. */
const KEXINIT = 20
const NEWKEYS = 21
const KEX_REPLY = 31
/** DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG. */
const NOTICES: ReadonlySet<number> = new Set([1, 2, 3, 4])

type Stage = 'identification' | typeof KEXINIT | typeof KEX_REPLY | typeof NEWKEYS | 'encrypted'

export class ServerSide {
  readonly #judged: Judged
  #stage: Stage = 'identification'
  /** Not judged yet. */
  #chunks: Buffer[] = []
  #size = 0
  /** Bytes without which there is nothing to judge. */
  #needed = 1

  constructor(judged: Judged) {
    this.#judged = judged
  }

  /** True once the pinned key was shown and the server speaks under the keys that came of it. */
  get passed(): boolean {
    return this.#stage === 'encrypted'
  }

  /** What may go on, now that `chunk` has come. Throws `host_key_mismatch`, or `ssh_failed`: it is no such exchange. */
  take(chunk: Buffer): Buffer {
    if (this.#stage === 'encrypted') return chunk
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return NOTHING
    const bytes = Buffer.concat(this.#chunks)
    const judged = this.#judge(bytes)
    this.#chunks = [bytes.subarray(judged)]
    this.#size = bytes.length - judged
    return bytes.subarray(0, judged)
  }

  /** How much of `bytes` may go on. */
  #judge(bytes: Buffer): number {
    let at = this.#stage === 'identification' ? this.#identification(bytes) : 0
    while (this.#stage !== 'identification' && this.#stage !== 'encrypted') {
      this.#needed = LENGTH_BYTES
      if (bytes.length - at < this.#needed) return at
      this.#needed = LENGTH_BYTES + this.#lengthOf(bytes.readUInt32BE(at))
      if (bytes.length - at < this.#needed) return at
      this.#packet(bytes.subarray(at + LENGTH_BYTES, at + this.#needed))
      at += this.#needed
    }
    return this.passed ? bytes.length : at
  }

  /** Its first line; RFC 4253 allows others before, which clients read differently. */
  #identification(bytes: Buffer): number {
    const end = bytes.indexOf('\n')
    this.#needed = bytes.length + 1
    if (end < 0 && bytes.length < IDENT_BYTES_MAX) return 0
    const line = bytes.subarray(0, end + 1).toString('latin1')
    if (end >= IDENT_BYTES_MAX || !/^SSH-2\.0-[ -~]+\r?\n$/.test(line))
      throw this.#refusal('no SSH-2.0- line first')
    this.#stage = KEXINIT
    return end + 1
  }

  #lengthOf(length: number): number {
    const whole = LENGTH_BYTES + length
    if (whole < PACKET_BYTES_MIN || whole > PACKET_BYTES_MAX || whole % BLOCK_BYTES !== 0)
      throw this.#refusal(`a packet of ${whole} bytes`)
    return length
  }

  #packet(packet: Buffer): void {
    const padding = packet.readUInt8(0)
    const payload = packet.subarray(1, Math.max(1, packet.length - padding))
    const [type] = payload
    if (padding < PADDING_BYTES_MIN || type === undefined)
      throw this.#refusal(`a padding of ${padding} bytes`)
    if (NOTICES.has(type)) return
    if (type !== this.#stage) throw this.#refusal(`message ${type} where ${this.#stage} was due`)
    if (type === KEX_REPLY) this.#hostKey(payload)
    this.#stage = type === KEXINIT ? KEX_REPLY : type === KEX_REPLY ? NEWKEYS : 'encrypted'
  }

  /** In every method that is let through the reply begins with it (RFC 4253, 8; RFC 5656, 4; hybrids alike). */
  #hostKey(payload: Buffer): void {
    const { pinned, machine } = this.#judged
    const start = 1 + LENGTH_BYTES
    const end = payload.length < start ? Number.NaN : start + payload.readUInt32BE(1)
    if (!(end <= payload.length)) throw this.#refusal('a key that is cut off')
    if (!pinned.matches(payload.subarray(start, end)))
      throw new SlipwayError('host_key_mismatch', { machine })
  }

  #refusal(what: string): SlipwayError {
    const { machine } = this.#judged
    return new SlipwayError('ssh_failed', { machine, detail: `its SSH server began with ${what}` })
  }
}

const NOTHING = Buffer.alloc(0)
