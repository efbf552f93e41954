/**
 * What an agent and the coordinator say to each other: JSON text frames on one WebSocket that the agent opens.
 * Facts go up, intent comes down. Any frame may be lost or repeated: the next full report and the next wanted set heal it.
 *
 *   agent                                coordinator
 *     hello  ───────────────────────────►              host, database it obeys, last stamp, facts, all machines
 *            ◄───────────────────────────  welcome     database, epoch
 *            ◄───────────────────────────  wanted      the whole set, stamped
 *     report ───────────────────────────►              changed machines, or all of them every REPORT_EVERY_MS
 *            ◄───────────────────────────  ask         a question (audit, log) or a stream to open (console)
 *     answer ───────────────────────────►
 */
import { z } from 'zod'
import {
  access,
  consoleTail,
  failure,
  hostFacts,
  hostId,
  machineId,
  machineSpec,
  reservationId,
  stamp,
  templateId,
  templateShape,
  timeline,
} from './shapes.ts'

/** Machines of one host at most. */
const MACHINES_MAX = 2_000
/** Templates of one host at most. */
const TEMPLATES_MAX = 1_000

const reported = { machine: machineId, spec: machineSpec, timeline }

export const machineReport = z.discriminatedUnion('state', [
  z.strictObject({ ...reported, state: z.literal('creating') }),
  z.strictObject({ ...reported, state: z.literal('ready'), access }),
  z.strictObject({ ...reported, state: z.literal('suspect'), access, failure }),
  z.strictObject({ ...reported, state: z.literal('destroying') }),
  z.strictObject({ ...reported, state: z.literal('failed'), failure, consoleTail }),
  z.strictObject({ ...reported, state: z.literal('lost'), failure, consoleTail }),
])

export const finding = z.strictObject({
  kind: z.string().max(64),
  name: z.string().max(256),
  /** What is wrong: there and not wanted, or wanted and not there. */
  problem: z.enum(['unwanted', 'missing']),
  machine: machineId.optional(),
})

const databaseId = z.string().regex(/^d-[0-9a-z]{26}$/)

export const fromAgent = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('hello'),
    host: hostId,
    version: z.string().max(40),
    database: databaseId.optional(),
    stamp,
    facts: hostFacts,
    machines: z.array(machineReport).max(MACHINES_MAX),
  }),
  z.strictObject({
    type: z.literal('report'),
    /** True: these are all machines of the host; a machine not named is gone. False: only those that changed. */
    full: z.boolean(),
    /** The wanted set this report has taken into account. */
    stamp,
    facts: hostFacts.optional(),
    machines: z.array(machineReport).max(MACHINES_MAX),
    /** Machines that no longer exist in any form; sent when `full` is false. */
    gone: z.array(machineId).max(MACHINES_MAX),
  }),
  z.strictObject({
    type: z.literal('answer'),
    ask: z.string().max(64),
    result: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('audit'), findings: z.array(finding).max(10_000) }),
      z.strictObject({ kind: z.literal('log'), lines: consoleTail }),
      z.strictObject({ kind: z.literal('opened') }),
      z.strictObject({ kind: z.literal('done') }),
      z.strictObject({ kind: z.literal('failed'), failure }),
    ]),
  }),
])

export const fromCoordinator = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('welcome'), database: databaseId, epoch: z.int().min(1) }),
  z.strictObject({ type: z.literal('refused'), failure }),
  z.strictObject({
    type: z.literal('wanted'),
    stamp,
    machines: z
      .array(
        z.strictObject({
          machine: machineId,
          reservation: reservationId,
          spec: machineSpec,
          made: z.boolean(),
        }),
      )
      .max(MACHINES_MAX),
    /** Templates it shall have, most wanted first; one is built only in room reserved for it. Absent: none is begun or ended. */
    templates: z
      .array(z.strictObject({ shape: templateShape, reservation: reservationId.exactOptional() }))
      .max(TEMPLATES_MAX)
      .exactOptional(),
  }),
  z.strictObject({
    type: z.literal('ask'),
    ask: z.string().max(64),
    question: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('audit') }),
      z.strictObject({ kind: z.literal('log'), machine: machineId, lines: z.int().min(1).max(200) }),
      z.strictObject({ kind: z.literal('rebuild'), template: templateId }),
      z.strictObject({ kind: z.literal('remove'), template: templateId }),
      /** Open `AGENT_STREAM_PATH` with this stream id and join it to the machine's console. */
      z.strictObject({ kind: z.literal('console'), machine: machineId, stream: z.string().max(64) }),
    ]),
  }),
])

export type FromAgent = z.infer<typeof fromAgent>
export type FromCoordinator = z.infer<typeof fromCoordinator>
export type Finding = z.infer<typeof finding>
export type MachineReportFrame = z.infer<typeof machineReport>

/** All machines of a host are reported this often, changed or not: what a lost frame costs at most. */
export const REPORT_EVERY_MS = 2_000
/** A frame larger than this ends the connection. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024
