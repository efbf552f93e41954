/**
 * A guest as data: its kit, console and door, and how it misbehaves. Speaks the kit's protocol (images/kit): lines of
 * `key=value` in, one line of JSON out.
 */
import { createHash } from 'node:crypto'
import type { MachineId } from '../../../model/index.ts'

/**
 * `silent`: its agent never answers. `lies`: another host key than its door shows. `malformed`: no JSON. `floods`: far
 * more output than anybody reads. `refuses`: the kit reports a failed step. `stops`, `crashes`: ends while the kit runs.
 * `shut`: all well, but its door never opens. `repeats`: its generator gives what others of its kind gave.
 */
export type GuestBehaviour =
  | 'honest'
  | 'silent'
  | 'lies'
  | 'malformed'
  | 'floods'
  | 'refuses'
  | 'stops'
  | 'crashes'
  | 'shut'
  | 'repeats'

export interface VirtualGuest {
  readonly machine: MachineId
  /** May change while it runs. */
  behaviour: GuestBehaviour
  /** Its agent has answered once; before, an answer waits for the boot. */
  booted: boolean
  /** What its SSH server shows, once the kit has made it. */
  hostKey: string | undefined
  /** The one public key that may log in. */
  authorizedKey: string | undefined
  readonly console: string[]
}

export const KIT_PATH = '/usr/local/sbin/slipway-kit'

/** `boots`, or wakes from a template and answers at once. */
export function newGuest(
  machine: MachineId,
  behaviour: GuestBehaviour,
  start: 'boots' | 'wakes' = 'boots',
): VirtualGuest {
  return {
    machine,
    behaviour,
    booted: start === 'wakes',
    hostKey: undefined,
    authorizedKey: undefined,
    console: [`booting ${machine}`, '\u001b[1mlogin:\u001b[0m'],
  }
}

export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface Program {
  readonly path: string
  readonly args: readonly string[]
  readonly stdin: string
  /** What the guest's clock says. */
  readonly wallMs: number
}

/** Runs the kit, or says that there is no such program. Never called for a silent guest. */
export function runInGuest(guest: VirtualGuest, { path, args, stdin, wallMs }: Program): ExecResult {
  if (path !== KIT_PATH) return { exitCode: 127, stdout: '', stderr: `${path}: not found\n` }
  if (args[0] === 'version') return { exitCode: 0, stdout: 'slipway-kit 1\n', stderr: '' }
  const request = parseRequest(stdin)
  if (request === undefined) return failed('request', 'line 1: not of the form key=value')
  switch (guest.behaviour) {
    case 'malformed':
      return { exitCode: 0, stdout: '{"kit":1,"ok":tr', stderr: '' }
    case 'floods':
      return { exitCode: 0, stdout: 'A'.repeat(FLOOD_CHARS), stderr: '' }
    case 'refuses':
      return failed('host-key', 'No space left on device')
    default:
      return answer(guest, request, wallMs)
  }
}

function answer(guest: VirtualGuest, request: ReadonlyMap<string, string>, wallMs: number): ExecResult {
  if (request.get('host-key') === 'make') {
    const { behaviour, machine } = guest
    guest.hostKey = publicKeyOf(behaviour === 'repeats' ? 'a twin' : `${machine} ${request.get('entropy')}`)
  }
  guest.authorizedKey = request.get('authorized-key') ?? guest.authorizedKey
  const forget = request.get('forget') === 'all'
  if (forget) {
    guest.hostKey = undefined
    guest.authorizedKey = undefined
  }
  const shown = guest.behaviour === 'lies' ? publicKeyOf('a lie') : guest.hostKey
  const reply = {
    kit: 1,
    ok: true,
    steps: [...request.keys()].flatMap((key) => (STEPS.has(key) ? [{ step: STEPS.get(key), us: 1000 }] : [])),
    ...(shown === undefined ? {} : { hostKey: shown }),
    machineId: request.get('machine-id') ?? (forget ? '' : '0'.repeat(32)),
    hostname: request.get('hostname') ?? 'localhost',
    bootId: uuidOf(guest.machine),
    ...(request.has('salt')
      ? {
          sampleHash: digest(`${request.get('salt')} ${request.get('entropy')} ${guest.machine}`).toString(
            'hex',
          ),
        }
      : {}),
    clockNs: wallMs * 1e6,
  }
  return { exitCode: 0, stdout: `${JSON.stringify(reply)}\n`, stderr: '' }
}

const failed = (step: string, message: string): ExecResult => ({
  exitCode: 1,
  stdout: `${JSON.stringify({ kit: 1, ok: false, step, message, errno: 22 })}\n`,
  stderr: '',
})

function parseRequest(stdin: string): ReadonlyMap<string, string> | undefined {
  const entries: (readonly [string, string])[] = []
  for (const line of stdin.split('\n').slice(0, -1)) {
    const equals = line.indexOf('=')
    if (equals < 0) return undefined
    entries.push([line.slice(0, equals), line.slice(equals + 1)])
  }
  return new Map(entries)
}

/** A well-formed ed25519 line of OpenSSH's (RFC 8709) that nobody has the private half of. */
function publicKeyOf(seed: string): string {
  const type = 'ssh-ed25519'
  const wire = Buffer.concat([uint32(type.length), Buffer.from(type), uint32(32), digest(seed)])
  return `${type} ${wire.toString('base64')}`
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const uuidOf = (text: string): string =>
  digest(text)
    .toString('hex')
    .slice(0, 32)
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')

/** Request key → the step the kit reports for it. */
const STEPS: ReadonlyMap<string, string> = new Map([
  ['entropy', 'reseed'],
  ['clock', 'clock'],
  ['machine-id', 'machine-id'],
  ['hostname', 'hostname'],
  ['host-key', 'host-key'],
  ['authorized-key', 'authorized-key'],
  ['tools', 'tools'],
  ['door', 'door'],
  ['forget', 'forget'],
])

const FLOOD_CHARS = 4 * 1024 * 1024
