/**
 * A machine's one-time user key: ed25519, private half in OpenSSH's own format, which both `ssh` and ssh2 read.
 * Formats: RFC 8709 (public), OpenSSH `PROTOCOL.key` (private), RFC 8410 section 7 (the DER around the seed).
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { Secret } from '../model/index.ts'

export interface KeyPair {
  /** `ssh-ed25519 AAAA…` */
  readonly publicLine: string
  /** PEM-like, with line ends. */
  readonly privateKey: Secret<string>
}

const TYPE = 'ssh-ed25519'
const SEED_BYTES = 32
const CHECK_BYTES = 4
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A fresh pair drawn from `random`. */
export function makeKeyPair(random: (bytes: number) => Uint8Array): KeyPair {
  const seed = Buffer.from(random(SEED_BYTES))
  const check = Buffer.from(random(CHECK_BYTES))
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' })
  const point = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)
  const publicBlob = Buffer.concat([field(TYPE), field(point)])
  const secrets = pad(
    Buffer.concat([check, check, publicBlob, field(Buffer.concat([seed, point])), field('')]),
  )
  const blob = Buffer.concat([preamble(), field(publicBlob), field(secrets)])
  return {
    publicLine: `${TYPE} ${publicBlob.toString('base64')}`,
    privateKey: new Secret(armour(blob)),
  }
}

/** The public half of a private key as `makeKeyPair` writes it. */
export function publicLineOf(privateKey: Secret<string>): string {
  const base64 = privateKey.reveal().split('\n').slice(1, -2).join('')
  const blob = Buffer.from(base64, 'base64').subarray(preamble().length)
  return `${TYPE} ${blob.subarray(4, 4 + blob.readUInt32BE()).toString('base64')}`
}

/** True if `line` is exactly one well-formed ed25519 public key and nothing else. */
export function isPublicLine(line: string): boolean {
  const base64 = line.slice(TYPE.length + 1)
  const blob = Buffer.from(base64, 'base64')
  const head = Buffer.concat([field(TYPE), uint32(32)])
  return (
    line === `${TYPE} ${blob.toString('base64')}` &&
    blob.length === head.length + 32 &&
    blob.subarray(0, head.length).equals(head)
  )
}

/** No cipher, no derivation, one key. */
const preamble = (): Buffer =>
  Buffer.concat([Buffer.from('openssh-key-v1\0'), field('none'), field('none'), field(''), uint32(1)])

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const field = (value: string | Buffer): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([uint32(bytes.length), bytes])
}

/** To a multiple of 8 with 1, 2, 3… */
const pad = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.from([1, 2, 3, 4, 5, 6, 7]).subarray(0, -bytes.length & 7)])

const armour = (blob: Buffer): string =>
  [
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    ...(blob.toString('base64').match(/.{1,70}/g) ?? []),
    '-----END OPENSSH PRIVATE KEY-----',
    '',
  ].join('\n')
