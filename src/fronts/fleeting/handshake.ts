/**
 * How a runner starts a plugin (go-plugin, core protocol 1): it sets variables, the plugin opens a socket and says
 * where in one line on stdout.
 */
import { X509Certificate } from 'node:crypto'
import { SlipwayError } from '../../model/index.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** What the runner asks for. */
export interface Invitation {
  /** Where the socket shall be. */
  readonly socketFolder: string
  /** PEM: only the holder of its key may connect, and both ends speak TLS. */
  readonly clientCertificate: string | undefined
  /** The runner knows a seventh field, which says whether one connection carries all brokered ones: it does not. */
  readonly seventhField: boolean
}

const COOKIE = 'FLEETING_INSTANCE_GROUP_PLUGIN'
const COOKIE_VALUE = '4c6410b1-cb78-4962-8c76-ab936d0ea908'
const CORE_PROTOCOL = 1
/** Of fleeting's plugins; the only one there is. */
const PROTOCOL = 0
const FOLDER_DEFAULT = '/tmp'

/** True when a runner started us: then it reads log lines, a person does not. */
export const isInvited = (env: Env): boolean => env[COOKIE] === COOKIE_VALUE

/** Throws `plugin_call` when no runner started us, or one that speaks another protocol. */
export function readInvitation(env: Env): Invitation {
  if (!isInvited(env)) refuse(env[COOKIE] === undefined ? `${COOKIE} is not set` : `${COOKIE} is a wrong one`)
  const offered = env.PLUGIN_PROTOCOL_VERSIONS?.split(',').map((each) => each.trim()) ?? [String(PROTOCOL)]
  if (!offered.includes(String(PROTOCOL))) {
    const shown = offered.join(',').slice(0, OFFER_CHARS_MAX)
    refuse(`it speaks plugin protocol ${shown}, this plugin speaks ${PROTOCOL}`)
  }
  const certificate = env.PLUGIN_CLIENT_CERT || undefined
  if (certificate !== undefined && !isCertificate(certificate))
    refuse('PLUGIN_CLIENT_CERT holds no certificate')
  return {
    socketFolder: env.PLUGIN_UNIX_SOCKET_DIR || env.TMPDIR || FOLDER_DEFAULT,
    clientCertificate: certificate,
    seventhField: Boolean(env.PLUGIN_MULTIPLEX_GRPC),
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

const OFFER_CHARS_MAX = 80

export interface Address {
  readonly socket: string
  /** DER of our own certificate, where the runner asked for TLS. */
  readonly certificate?: Buffer
}

/** The line that the runner waits for. */
export function handshakeLine(
  { seventhField }: Pick<Invitation, 'seventhField'>,
  { socket, certificate }: Address,
): string {
  const own = certificate?.toString('base64').replace(/=+$/, '') ?? ''
  const fields = [CORE_PROTOCOL, PROTOCOL, 'unix', socket, 'grpc', own, ...(seventhField ? ['false'] : [])]
  return `${fields.join('|')}\n`
}

function refuse(detail: string): never {
  throw new SlipwayError('plugin_call', { detail })
}
