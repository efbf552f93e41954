/**
 * Ids are branded strings: a `MachineId` cannot be passed where a `HostId` is meant.
 * Each has a closed alphabet, so that an id may stand in a file name, an interface, XML or a log as it is.
 */
import { SlipwayError } from './error.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** Named by the coordinator: `m-` and a lower-case ULID. Names every resource of the machine on its host. */
export type MachineId = Branded<'MachineId'>
/** Named by the coordinator: `r-` and a lower-case ULID. */
export type ReservationId = Branded<'ReservationId'>
/** Coordinator's own id of a lease (`l-` and a ULID); people and fronts use its name. */
export type LeaseId = Branded<'LeaseId'>
/** Named by the caller, unique among its owner's live leases. */
export type LeaseName = Branded<'LeaseName'>
/** Named by the operator; part of every resource name on that host, hence short. */
export type HostId = Branded<'HostId'>
/** Named by the operator. */
export type FlavorName = Branded<'FlavorName'>
/** Made when a coordinator's database is created; a host obeys one database only. */
export type DatabaseId = Branded<'DatabaseId'>
/** `sha256:` and 64 hex digits: the digest of the image's disk file. */
export type ImageDigest = Branded<'ImageDigest'>
/** Named by its host: `t-` and a lower-case ULID. */
export type TemplateId = Branded<'TemplateId'>
/** Written by the operator on a token; never derived from a job. */
export type TrustDomain = Branded<'TrustDomain'>

const ULID = '[0-9a-hjkmnp-tv-z]{26}'
const grammar = {
  MachineId: new RegExp(`^m-${ULID}$`),
  ReservationId: new RegExp(`^r-${ULID}$`),
  LeaseId: new RegExp(`^l-${ULID}$`),
  LeaseName: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
  HostId: /^[a-z][a-z0-9]{0,11}$/,
  FlavorName: /^[a-z][a-z0-9._-]{0,62}$/,
  DatabaseId: new RegExp(`^d-${ULID}$`),
  ImageDigest: /^sha256:[0-9a-f]{64}$/,
  TemplateId: new RegExp(`^t-${ULID}$`),
  TrustDomain: /^[a-z][a-z0-9._-]{0,62}$/,
} as const

interface Ids {
  MachineId: MachineId
  ReservationId: ReservationId
  LeaseId: LeaseId
  LeaseName: LeaseName
  HostId: HostId
  FlavorName: FlavorName
  DatabaseId: DatabaseId
  ImageDigest: ImageDigest
  TemplateId: TemplateId
  TrustDomain: TrustDomain
}

/** True if `text` is a well-formed id of `kind`. */
export function isId<K extends keyof Ids>(kind: K, text: string): text is Ids[K] & string {
  return grammar[kind].test(text)
}

/** `text` as an id of `kind`; throws `bad_id` with the text shortened, so that hostile input stays small. */
export function parseId<K extends keyof Ids>(kind: K, text: string): Ids[K] {
  if (!isId(kind, text)) throw new SlipwayError('bad_id', { kind, text: text.slice(0, 80) })
  return text
}

/** The pattern of an id, for schemas at the edge. */
export const idPattern = (kind: keyof Ids): RegExp => grammar[kind]
