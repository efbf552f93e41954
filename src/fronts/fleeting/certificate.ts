/**
 * A certificate for one life of the plugin, where the runner wants TLS (go-plugin's AutoMTLS): each end makes one of its
 * own and trusts exactly the other's. Written by hand, since Node makes no certificates and this one never varies.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface Certificate {
  readonly der: Buffer
  readonly pem: string
  /** PEM. */
  readonly privateKey: string
}

/** Self-signed, for `localhost`, as client and as server; its own authority, as the other end wants it (RFC 5280). */
export function makeCertificate(now = Date.now()): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const name = sequence(set(sequence(oid('550403'), utf8('localhost'))))
  const algorithm = sequence(oid('2a8648ce3d040302'))
  const body = sequence(
    context(0, tagged(INTEGER, Buffer.from([2]))),
    // Positive, and never beginning with a zero byte.
    tagged(INTEGER, Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    algorithm,
    name,
    sequence(time(now - CLOCK_SKEW_MS), time(now + LIFETIME_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    context(3, sequence(...extensions())),
  )
  const signature = sign('sha256', body, privateKey)
  const der = sequence(body, algorithm, tagged(BIT_STRING, Buffer.concat([Buffer.from([0]), signature])))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return {
    der,
    pem: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

const CLOCK_SKEW_MS = 60_000
/** Longer than a plugin lives. */
const LIFETIME_MS = 10 * 365 * 86_400_000

function extensions(): readonly Buffer[] {
  const certificateAuthority = sequence(tagged(BOOLEAN, Buffer.from([0xff])))
  // digitalSignature, keyEncipherment, keyAgreement, keyCertSign
  const usage = tagged(BIT_STRING, Buffer.from([2, 0b1010_1100]))
  const purposes = sequence(oid('2b06010505070302'), oid('2b06010505070301'))
  const names = sequence(tagged(DNS_NAME, Buffer.from('localhost')))
  return [
    extension('551d13', certificateAuthority, CRITICAL),
    extension('551d0f', usage, CRITICAL),
    extension('551d25', purposes),
    extension('551d11', names),
  ]
}

const extension = (id: string, value: Buffer, ...critical: readonly Buffer[]): Buffer =>
  sequence(oid(id), ...critical, tagged(OCTET_STRING, value))

/** Tags of X.690. */
const BOOLEAN = 0x01
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OID = 0x06
const UTF8_STRING = 0x0c
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30
const SET = 0x31
/** GeneralName's dNSName: context 2, primitive. */
const DNS_NAME = 0x82
const CONTEXT = 0xa0

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const CRITICAL = tagged(BOOLEAN, Buffer.from([0xff]))
const sequence = (...parts: readonly Buffer[]): Buffer => tagged(SEQUENCE, Buffer.concat(parts))
const set = (...parts: readonly Buffer[]): Buffer => tagged(SET, Buffer.concat(parts))
const context = (number: number, content: Buffer): Buffer => tagged(CONTEXT + number, content)
const oid = (hex: string): Buffer => tagged(OID, Buffer.from(hex, 'hex'))
const utf8 = (text: string): Buffer => tagged(UTF8_STRING, Buffer.from(text))

/** Before 2050 RFC 5280 wants two digits of the year, as UTCTime. */
function time(wallMs: number): Buffer {
  const digits = new Date(wallMs).toISOString().replace(/[-:T]|\.\d+/g, '')
  return digits < '2050'
    ? tagged(UTC_TIME, Buffer.from(digits.slice(2)))
    : tagged(GENERALIZED_TIME, Buffer.from(digits))
}

const UTC_TIME = 0x17
