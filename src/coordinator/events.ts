/** Each business event: its log line and its counter in one place. Ids in the line, never in a counter's name. */
import {
  type Failure,
  failureText,
  type HostId,
  type LeaseEnd,
  type LeaseId,
  type LeaseName,
  type MachineId,
  type ReservationId,
  type Stamp,
} from '../model/index.ts'
import type { DoomReason, UnbuildReason } from './plan/index.ts'
import type { Log } from './ports.ts'

interface LeaseFields {
  readonly lease: LeaseId
  readonly name: LeaseName
  readonly runner: string
}

export class Events {
  readonly #log: Log
  readonly #counts = new Map<string, number>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Event → how often since the start. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts
  }

  started(fields: { readonly database: string; readonly epoch: number; readonly leases: number }): void {
    this.#info('started', fields)
  }
  leaseAsked(fields: LeaseFields & { readonly flavor: string }): void {
    this.#info('lease_asked', fields)
  }
  leaseGranted(fields: LeaseFields & { readonly machine: MachineId; readonly waitedMs: number }): void {
    this.#info('lease_granted', fields)
  }
  leaseEnded(fields: LeaseFields & { readonly end: LeaseEnd; readonly failure?: Failure }): void {
    this.#info('lease_ended', plain(fields))
  }
  machineNamed(fields: {
    readonly machine: MachineId
    readonly host: HostId
    readonly flavor: string
  }): void {
    this.#info('machine_named', fields)
  }
  machineReady(fields: {
    readonly machine: MachineId
    readonly host: HostId
    readonly tookMs: number
  }): void {
    this.#info('machine_ready', fields)
  }
  machineDoomed(fields: {
    readonly machine: MachineId
    readonly why: DoomReason | 'ended' | 'removed'
    /** Whose job needs its room. */
    readonly flavor?: string
  }): void {
    this.#info('machine_doomed', fields)
  }
  templateReserved(fields: {
    readonly host: HostId
    readonly reservation: ReservationId
    readonly shape: string
  }): void {
    this.#info('template_reserved', fields)
  }
  templateReleased(fields: {
    readonly host: HostId
    readonly reservation: ReservationId
    readonly why: UnbuildReason
  }): void {
    this.#info('template_released', fields)
  }
  machineAdopted(fields: {
    readonly machine: MachineId
    readonly host: HostId
    readonly state: string
  }): void {
    this.#info('machine_adopted', fields)
  }
  machineFailed(fields: {
    readonly machine: MachineId
    readonly host: HostId
    readonly failure: Failure
  }): void {
    this.#warn('machine_failed', plain(fields))
  }
  machineLost(fields: {
    readonly machine: MachineId
    readonly host: HostId
    readonly failure: Failure
  }): void {
    this.#warn('machine_lost', plain(fields))
  }
  machineGone(fields: { readonly machine: MachineId; readonly host: HostId }): void {
    this.#info('machine_gone', fields)
  }
  hostConnected(fields: { readonly host: HostId; readonly machines: number; readonly stamp: Stamp }): void {
    this.#info('host_connected', fields)
  }
  hostAway(fields: { readonly host: HostId }): void {
    this.#warn('host_away', fields)
  }
  hostForgotten(fields: { readonly host: HostId; readonly leasesLost: number }): void {
    this.#warn('host_forgotten', fields)
  }
  agentRefused(fields: { readonly host: HostId; readonly failure: Failure }): void {
    this.#warn('agent_refused', plain(fields))
  }
  agentMisbehaved(fields: { readonly host: HostId | undefined; readonly detail: string }): void {
    this.#warn('agent_misbehaved', fields)
  }
  storeFailed(fields: { readonly failure: Failure }): void {
    this.#count('store_failed')
    this.#log.error(plain(fields), 'store_failed')
  }
  stalled(fields: { readonly stalledMs: number }): void {
    this.#warn('stalled', fields)
  }

  #info(event: string, fields: object): void {
    this.#count(event)
    this.#log.info(fields, event)
  }
  #warn(event: string, fields: object): void {
    this.#count(event)
    this.#log.warn(fields, event)
  }
  #count(event: string): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1)
  }
}

/** A failure as code and sentence: what a person greps for, and what a person reads. */
const plain = ({ failure, ...rest }: { readonly failure?: Failure }): object =>
  failure ? { ...rest, code: failure.code, reason: failureText(failure) } : rest
