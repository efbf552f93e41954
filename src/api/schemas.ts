/** The shapes of every endpoint, under the names of `endpoints.ts`. Loaded by the server only; clients use the types. */
import { z } from 'zod'
import type { EndpointName } from './endpoints.ts'
import {
  access,
  consoleTail,
  failure,
  flavorName,
  hostFacts,
  hostId,
  hostTemplate,
  leaseId,
  leaseName,
  machineId,
  machineSpec,
  networkPolicy,
  sharing,
  templateBlocked,
  templateId,
  timeline,
  trustDomain,
} from './shapes.ts'
import { finding } from './stream.ts'

const nothing = z.strictObject({})
const leaseParams = z.strictObject({ lease: leaseName })
const templateParams = z.strictObject({ template: templateId })
const machineParams = z.strictObject({ machine: machineId })

/** Why a waiting lease waits: data that a person's words are made of. */
const waiting = z.strictObject({
  position: z.int().min(1),
  reason: failure.optional(),
  /** Machines of its pool in the making. */
  making: z.int().min(0),
  estimateMs: z.number().min(0).optional(),
  /** Of the template that no host has yet: how far the furthest is. */
  template: z
    .strictObject({
      host: hostId,
      state: z.enum(['building', 'waiting']),
      progressPercent: z.number().optional(),
      reason: templateBlocked.optional(),
    })
    .optional(),
})

export const leaseView = z.strictObject({
  id: leaseId,
  name: leaseName,
  runner: z.string(),
  trustDomain,
  flavor: flavorName,
  image: z.string().optional(),
  state: z.enum(['waiting', 'granted', 'ended']),
  ttlMs: z.number(),
  askedAtMs: z.number(),
  grantedAtMs: z.number().optional(),
  endedAtMs: z.number().optional(),
  machine: machineId.optional(),
  host: hostId.optional(),
  end: z.enum(['released', 'expired', 'failed', 'lost']).optional(),
  failure: failure.optional(),
  waiting: waiting.optional(),
  /** Of its machine, or of the machine that failed it. */
  timeline: timeline.optional(),
  consoleTail: consoleTail.optional(),
})

export const machineView = z.strictObject({
  machine: machineId,
  host: hostId,
  state: z.enum(['named', 'creating', 'ready', 'suspect', 'leased', 'doomed']),
  spec: machineSpec,
  createdAtMs: z.number(),
  readyAtMs: z.number().optional(),
  lease: leaseName.optional(),
  timeline,
  address: z.string().optional(),
  port: z.number().optional(),
  hostKey: z.string().optional(),
})

const hostView = z.strictObject({
  host: hostId,
  connected: z.boolean(),
  facts: hostFacts.optional(),
  machines: z.int(),
  reserved: z.strictObject({ vcpus: z.number(), memoryMiB: z.number(), diskMiB: z.number() }),
})

/** A template of a host, and the flavors whose machines are cloned from it. */
const templateView = z.strictObject({
  host: hostId,
  flavors: z.array(flavorName),
  image: z.string().optional(),
  template: hostTemplate,
})

const flavorView = z.strictObject({
  name: flavorName,
  image: z.string(),
  vcpus: z.number(),
  memoryMiB: z.number(),
  diskGiB: z.number(),
  network: networkPolicy,
  limit: z.number(),
  idle: z.number(),
  idleMin: z.number(),
  idleAgeMsMax: z.number(),
  sharing,
  allowEmulation: z.boolean(),
})

const tokenView = z.strictObject({
  runner: z.string(),
  trustDomain,
  flavors: z.array(z.string()),
  images: z.array(z.string()),
  leasesMax: z.int(),
  createdAtMs: z.number(),
})

const tokenAsk = z.strictObject({
  runner: z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/),
  trustDomain,
  /** Names, or `*`. */
  flavors: z.array(z.string().max(63)).max(100),
  /** Image names a lease may choose, or `*`. */
  images: z.array(z.string().max(63)).max(100),
  leasesMax: z.int().min(1).max(10_000),
})

export const schemas = {
  health: {
    params: nothing,
    query: nothing,
    body: nothing,
    reply: z.strictObject({
      version: z.string(),
      epoch: z.int(),
      database: z.string(),
      hosts: z.int(),
      leases: z.strictObject({ waiting: z.int(), granted: z.int() }),
      machines: z.int(),
    }),
  },
  leaseAsk: {
    params: nothing,
    query: nothing,
    body: z.strictObject({
      name: leaseName,
      flavor: flavorName,
      image: z.string().max(63).optional(),
      ttlMs: z
        .int()
        .min(1_000)
        .max(24 * 3_600_000),
    }),
    reply: leaseView,
  },
  leaseGet: {
    params: leaseParams,
    query: z.strictObject({
      waitMs: z.coerce.number().int().min(0).max(60_000).optional(),
      state: z.enum(['waiting', 'granted', 'ended']).optional(),
    }),
    body: nothing,
    reply: leaseView,
  },
  leaseAccess: { params: leaseParams, query: nothing, body: nothing, reply: access },
  leaseHeartbeat: { params: leaseParams, query: nothing, body: nothing, reply: leaseView },
  leaseRelease: { params: leaseParams, query: nothing, body: nothing, reply: leaseView },
  leaseExplain: { params: leaseParams, query: nothing, body: nothing, reply: leaseView },
  leaseList: {
    params: nothing,
    query: z.strictObject({ all: z.stringbool().optional() }),
    body: nothing,
    reply: z.strictObject({ leases: z.array(leaseView) }),
  },
  groupHold: {
    params: z.strictObject({ group: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/) }),
    query: nothing,
    body: z.strictObject({
      holder: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
      again: z.boolean(),
      waitMs: z.int().min(0).max(60_000),
    }),
    reply: nothing,
  },
  flavorList: {
    params: nothing,
    query: nothing,
    body: nothing,
    reply: z.strictObject({ flavors: z.array(flavorView) }),
  },
  machineList: {
    params: nothing,
    query: nothing,
    body: nothing,
    reply: z.strictObject({ machines: z.array(machineView) }),
  },
  machineGet: { params: machineParams, query: nothing, body: nothing, reply: machineView },
  machineAccess: { params: machineParams, query: nothing, body: nothing, reply: access },
  machineRemove: { params: machineParams, query: nothing, body: nothing, reply: machineView },
  machineLog: {
    params: machineParams,
    query: z.strictObject({ lines: z.coerce.number().int().min(1).max(200).optional() }),
    body: nothing,
    reply: z.strictObject({ lines: consoleTail }),
  },
  hostList: {
    params: nothing,
    query: nothing,
    body: nothing,
    reply: z.strictObject({ hosts: z.array(hostView) }),
  },
  templateList: {
    params: nothing,
    query: nothing,
    body: nothing,
    reply: z.strictObject({ templates: z.array(templateView) }),
  },
  templateRebuild: { params: templateParams, query: nothing, body: nothing, reply: templateView },
  templateRemove: { params: templateParams, query: nothing, body: nothing, reply: templateView },
  audit: {
    params: nothing,
    query: nothing,
    body: nothing,
    reply: z.strictObject({ hosts: z.array(z.strictObject({ host: hostId, findings: z.array(finding) })) }),
  },
  tokenCreate: {
    params: nothing,
    query: nothing,
    body: tokenAsk,
    reply: z.strictObject({ token: z.string(), ...tokenView.shape }),
  },
  tokenList: {
    params: nothing,
    query: nothing,
    body: nothing,
    reply: z.strictObject({ tokens: z.array(tokenView) }),
  },
  tokenRevoke: {
    params: z.strictObject({ runner: z.string().max(63) }),
    query: nothing,
    body: nothing,
    reply: tokenView,
  },
} as const satisfies Record<
  EndpointName,
  { params: z.ZodType; query: z.ZodType; body: z.ZodType; reply: z.ZodType }
>

/** What every endpoint answers when it refuses. */
export const problem = z.strictObject({ ...failure.shape, message: z.string(), next: z.string() })

export type Schemas = typeof schemas
export type LeaseView = z.infer<typeof leaseView>
export type TemplateView = z.infer<typeof templateView>
export type MachineView = z.infer<typeof machineView>
export type Problem = z.infer<typeof problem>
