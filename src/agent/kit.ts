/**
 * The words spoken with the guest kit (`images/kit`): `key=value` lines in, one line of JSON out. The guest is hostile
 * until shown otherwise: what it answers is bounded, parsed strictly, and compared with what was asked of it.
 */
import { z } from 'zod'
import { type MachineId, SlipwayError } from '../model/index.ts'
import { TOOLS_SERIAL } from './drivers/driver.ts'
import { isPublicLine } from './key-pair.ts'

export const KIT_PATH = '/usr/local/sbin/slipway-kit'

export const ENTROPY_BYTES = 64
export const SALT_BYTES = 16
export const MACHINE_ID_BYTES = 16

/** An honest answer has about 700. */
const REPLY_BYTES_MAX = 4_096
export interface KitRequest {
  readonly entropy: Uint8Array
  readonly salt: Uint8Array
  /** 32 hex digits. */
  readonly machineId: string
  readonly hostname: string
  readonly authorizedKey: string
  readonly user: string
  readonly tools: boolean
}

/** The request as the kit's standard input. `wallMs` is what the guest's clock shall say, read as late as possible. */
export function kitInput(request: KitRequest, wallMs: number): string {
  const lines: readonly [string, string][] = [
    ['entropy', hex(request.entropy)],
    ['clock', clockValue(wallMs)],
    ['machine-id', request.machineId],
    ['hostname', request.hostname],
    ['host-key', 'make'],
    ['authorized-key', request.authorizedKey],
    ['user', request.user],
    ...(request.tools ? [['tools', TOOLS_SERIAL] as [string, string]] : []),
    ['door', 'start'],
    ['salt', hex(request.salt)],
  ]
  for (const [key, value] of lines) {
    if (/[^ -~]/.test(value))
      throw new SlipwayError('bad_request', { detail: `kit value ${key} is not plain text` })
  }
  return lines.map(([key, value]) => `${key}=${value}\n`).join('')
}

/** A request that does nothing but set the clock. */
export const kitClockInput = (wallMs: number): string => `clock=${clockValue(wallMs)}\n`

/** Nanoseconds since 1970. */
const clockValue = (wallMs: number): string => `${BigInt(Math.round(wallMs)) * 1_000_000n}`

const text = z.string().max(200)
const schema = z.discriminatedUnion('ok', [
  z.strictObject({
    kit: z.int().min(1).max(1000),
    ok: z.literal(true),
    steps: z.array(z.strictObject({ step: z.string().max(40), us: z.number().min(0) })).max(32),
    hostKey: text,
    machineId: text,
    hostname: text,
    bootId: text.optional(),
    sampleHash: z.string().regex(/^[0-9a-f]{64}$/),
    clockNs: z.number(),
  }),
  z.strictObject({
    kit: z.int().min(1).max(1000),
    ok: z.literal(false),
    step: text,
    message: text,
    errno: z.int(),
  }),
])

export interface KitAnswer {
  /** The guest's SSH host key: the only one its server may show. */
  readonly hostKey: string
  /** Hash of what the guest's generator gave: no two machines may ever share one. */
  readonly sampleHash: string
}

export interface KitExchange {
  readonly machine: MachineId
  readonly request: KitRequest
  readonly exitCode: number
  readonly stdout: string
}

/** What the guest answered, once all of it is believed; else `guest_misbehaved` with what is wrong. */
export function judgeAnswer(exchange: KitExchange): KitAnswer {
  const { machine, request } = exchange
  const misbehaved = (what: string) => new SlipwayError('guest_misbehaved', { machine, what })
  if (Buffer.byteLength(exchange.stdout) > REPLY_BYTES_MAX) throw misbehaved('more than the kit ever says')
  const reply = schema.safeParse(parseJson(exchange.stdout))
  if (!reply.success) throw misbehaved(`what is no kit's answer (exit code ${exchange.exitCode})`)
  const answer = reply.data
  if (!answer.ok) throw misbehaved(`that its kit failed in step ${answer.step}: ${answer.message}`)
  if (exchange.exitCode !== 0) throw misbehaved(`well, but its kit ended with code ${exchange.exitCode}`)
  if (answer.machineId !== request.machineId) throw misbehaved('another machine id than it was given')
  if (answer.hostname !== request.hostname) throw misbehaved('another hostname than it was given')
  if (!isPublicLine(answer.hostKey)) throw misbehaved('a host key that is none')
  return { hostKey: answer.hostKey, sampleHash: answer.sampleHash }
}

/** Exactly one line; anything else is no answer. */
function parseJson(line: string): unknown {
  if (!/^[^\n]*\n?$/.test(line)) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
