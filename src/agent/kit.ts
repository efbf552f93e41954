/**
 * The words spoken with the guest kit (`images/kit`): `key=value` lines in, one line of JSON out. The guest is hostile
 * until shown otherwise: what it answers is bounded, parsed strictly, and compared with what was asked of it.
 */
import { z } from 'zod'
import { type MachineId, SlipwayError } from '../model/index.ts'
import { TOOLS_SERIAL } from './drivers/driver.ts'
import { isPublicLine } from './key-pair.ts'

/** A request that asks for nothing: it is answered. */
export const GREETING = ''

export const ENTROPY_BYTES = 64
export const SALT_BYTES = 16
export const MACHINE_ID_BYTES = 16

const NS_PER_MS = 1e6
/** 18 digits of nanoseconds: 31 years. */
const SHIFT_MS_MAX = 999_999_999_999
/** An honest answer has about 700. */
const REPLY_BYTES_MAX = 4_096
export interface KitRequest {
  readonly entropy: Uint8Array
  readonly salt: Uint8Array
  /** How far the guest's clock is behind. */
  readonly clockShiftMs: number
  /** 32 hex digits. */
  readonly machineId: string
  readonly hostname: string
  readonly authorizedKey: string
  readonly user: string
  readonly tools: boolean
}

/** The request as the kit's standard input. */
export function kitInput(request: KitRequest): string {
  const lines: readonly [string, string][] = [
    ['entropy', hex(request.entropy)],
    ...shiftLine(request.clockShiftMs),
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

/** A request that does nothing but move the clock. */
export const kitClockInput = (shiftMs: number): string =>
  shiftLine(shiftMs)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')

/** In nanoseconds. A guest that shows year 1 is told what its kit takes at most, and is off. */
function shiftLine(shiftMs: number): readonly [string, string][] {
  const shiftNs = BigInt(Math.round(Math.max(-SHIFT_MS_MAX, Math.min(shiftMs, SHIFT_MS_MAX)))) * 1_000_000n
  return shiftNs === 0n ? [] : [['clock-shift', `${shiftNs}`]]
}

const text = z.string().max(200)
const schema = z.discriminatedUnion('ok', [
  z.strictObject({
    kit: z.int().min(1).max(1000),
    ok: z.literal(true),
    steps: z.array(z.strictObject({ step: z.string().max(40), us: z.number().min(0) })).max(32),
    hostKey: text.optional(),
    /** Absent before it has one. */
    machineId: text.optional(),
    hostname: text,
    bootId: text.optional(),
    sampleHash: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
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
  /** As it was told. */
  readonly machineId: string
  /** Hash of what the guest's generator gave: no two machines may ever share one. */
  readonly sampleHash: string
  /** What its clock said last of all, ms since 1970. */
  readonly clockMs: number
}

export interface KitExchange {
  readonly machine: MachineId
  readonly request: KitRequest
  /** What the kit said, a line without its end. */
  readonly line: string
}

/** What the guest answered, once all of it is believed; else `guest_misbehaved` with what is wrong. */
export function judgeAnswer({ machine, request, line }: KitExchange): KitAnswer {
  const misbehaved = (what: string) => new SlipwayError('guest_misbehaved', { machine, what })
  const answer = parseAnswer(machine, line)
  const { hostKey, sampleHash } = answer
  if (hostKey === undefined || sampleHash === undefined) throw misbehaved('without key or sample')
  if (answer.machineId !== request.machineId) throw misbehaved('another machine id than it was given')
  if (answer.hostname !== request.hostname) throw misbehaved('another hostname than it was given')
  if (!isPublicLine(hostKey)) throw misbehaved('a host key that is none')
  return { hostKey, machineId: request.machineId, sampleHash, clockMs: answer.clockNs / NS_PER_MS }
}

/** Of a guest that was only greeted: what its clock says, ms since 1970. */
export const judgeGreeting = (machine: MachineId, line: string): number =>
  parseAnswer(machine, line).clockNs / NS_PER_MS

/** Throws `guest_misbehaved` unless a machine that was told to forget knows nothing of itself any more. */
export function judgeForgotten(machine: MachineId, hostname: string, line: string): void {
  const answer = parseAnswer(machine, line)
  if (answer.hostKey === undefined && (answer.machineId ?? '') === '' && answer.hostname === hostname) return
  throw new SlipwayError('guest_misbehaved', { machine, what: 'that it still knows who it is' })
}

function parseAnswer(machine: MachineId, line: string): Extract<z.infer<typeof schema>, { ok: true }> {
  const misbehaved = (what: string) => new SlipwayError('guest_misbehaved', { machine, what })
  if (Buffer.byteLength(line) > REPLY_BYTES_MAX) throw misbehaved('more than the kit ever says')
  const reply = schema.safeParse(parseJson(line))
  if (!reply.success) throw misbehaved('what is no kit’s answer')
  if (!reply.data.ok)
    throw misbehaved(`that its kit failed in step ${reply.data.step}: ${reply.data.message}`)
  return reply.data
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
