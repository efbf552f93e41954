/** The model's shapes as schemas, for both the HTTP API and the agents' stream. Unknown keys are refused. */
import { z } from 'zod'
import {
  type ErrorCode,
  errorTable,
  type FlavorName,
  type HostId,
  type ImageDigest,
  idPattern,
  type LeaseId,
  type LeaseName,
  type MachineId,
  type ReservationId,
  type TemplateId,
  type TrustDomain,
} from '../model/index.ts'

const id = <T>(kind: Parameters<typeof idPattern>[0]) =>
  z
    .custom<T>((value) => typeof value === 'string' && idPattern(kind).test(value), `not a ${kind}`)
    // For the OpenAPI description, which cannot see into a function.
    .meta({ type: 'string', pattern: idPattern(kind).source })

export const machineId = id<MachineId>('MachineId')
export const reservationId = id<ReservationId>('ReservationId')
export const leaseId = id<LeaseId>('LeaseId')
export const leaseName = id<LeaseName>('LeaseName')
export const hostId = id<HostId>('HostId')
export const flavorName = id<FlavorName>('FlavorName')
export const imageDigest = id<ImageDigest>('ImageDigest')
export const templateId = id<TemplateId>('TemplateId')
export const trustDomain = id<TrustDomain>('TrustDomain')

const count = (max: number) => z.int().min(0).max(max)
const line = z.string().max(1000)

export const failure = z.strictObject({
  code: z
    .custom<ErrorCode>((value) => typeof value === 'string' && value in errorTable, 'not an error code')
    .meta({ type: 'string', enum: Object.keys(errorTable) }),
  args: z.record(z.string().max(40), z.union([z.string().max(1000), z.number()])),
})

export const timeline = z
  .array(z.strictObject({ step: z.string().max(64), atMs: z.number().min(0) }))
  .max(64)
  .readonly()

export const networkPolicy = z.strictObject({ allow: z.array(z.string().max(260)).max(64).readonly() })

export const sharing = z.enum(['trust-domain', 'host', 'none'])

export const machineSpec = z.strictObject({
  flavor: flavorName,
  image: imageDigest,
  vcpus: count(256),
  memoryMiB: count(4_194_304),
  diskGiB: count(65_536),
  network: networkPolicy,
  trustDomain,
  sharing: sharing.exactOptional(),
  allowEmulation: z.boolean(),
})

const marks = z.strictObject({
  machineId: z.string().max(64),
  hostname: z.string().max(253),
  sample: z.string().max(64),
})

export const access = z.strictObject({
  address: z.string().max(260),
  port: z.int().min(1).max(65_535),
  user: z.string().max(64),
  hostKey: line,
  privateKey: z.string().max(4000),
  marks: marks.exactOptional(),
})

export const capacity = z.strictObject({
  vcpus: z.number().min(0),
  memoryMiB: z.number().min(0),
  diskMiB: z.number().min(0),
})

const hostImage = z.strictObject({
  digest: imageDigest,
  name: z.string().max(63),
  version: z.string().max(63),
  builtAt: z.string().max(40),
  diskMiB: z.number().min(0),
})

export const templateShape = z.strictObject({
  image: imageDigest,
  vcpus: count(256),
  memoryMiB: count(4_194_304),
  diskGiB: count(65_536),
  sharing,
  trustDomain: trustDomain.exactOptional(),
})

export const templateBlocked = z.enum(['room', 'disk', 'failed', 'unable'])

const cloneMode = z.enum(['shared-memory', 'mapped-ram', 'cold'])

export const hostTemplate = z.discriminatedUnion('state', [
  z.strictObject({
    state: z.enum(['ready', 'retiring', 'bad']),
    id: templateId,
    shape: templateShape,
    mode: cloneMode,
    builtAtMs: z.number(),
    clones: count(100_000),
    diskMiB: z.number().min(0),
    hulls: z.array(machineId).max(16).readonly(),
  }),
  z.strictObject({
    state: z.literal('building'),
    shape: templateShape,
    progressPercent: z.number().min(0).max(100),
  }),
  z.strictObject({
    state: z.literal('waiting'),
    shape: templateShape,
    reason: templateBlocked,
  }),
])

export const hostFacts = z.strictObject({
  host: hostId,
  version: z.string().max(40),
  acceleration: z.enum(['hardware', 'emulated']),
  capacity,
  images: z.array(hostImage).max(1000).readonly(),
  cloning: z.strictObject({ mode: cloneMode, evidence: line }).exactOptional(),
  templates: z.array(hostTemplate).max(1000).readonly().exactOptional(),
  settling: z.boolean().exactOptional(),
})

export const stamp = z.strictObject({ epoch: z.int().min(0), generation: z.int().min(0) })
export const consoleTail = z.array(line).max(200).readonly()
