import type { FlavorName, ImageDigest, TrustDomain } from './id.ts'

/** `host:port` pairs inside the closed ranges that a machine may reach, e.g. the runner's own GitLab. */
export interface NetworkPolicy {
  /** Written by the operator: `10.0.0.5:443`; names are resolved by the agent when the machine is made. */
  readonly allow: readonly string[]
}

/**
 * Who may share pages of memory and disk with whom, as clones of one template do: whoever measures the time of a write
 * learns what a neighbour has read. `none` costs each machine its whole memory.
 */
export type Sharing = 'trust-domain' | 'host' | 'none'

/** What a front asks for by name. Written by the operator. */
export interface Flavor {
  readonly name: FlavorName
  /** Image by name; its newest version on the host is used. */
  readonly image: string
  readonly vcpus: number
  readonly memoryMiB: number
  readonly diskGiB: number
  readonly network: NetworkPolicy
  /** Machines at most, over all trust domains. */
  readonly limit: number
  /** Machines kept ready per trust domain. */
  readonly idle: number
  /** Of those, how many stay when a job of another flavor lacks the room. */
  readonly idleMin: number
  /** A machine that nobody took for so long is replaced. */
  readonly idleAgeMsMax: number
  readonly sharing: Sharing
  /** Where a job may run without hardware virtualization; emulation is no security boundary. */
  readonly allowEmulation: boolean
}

/** What a host needs to know to make a machine; written by the coordinator, fixed for the machine's life. */
export interface MachineSpec {
  readonly flavor: FlavorName
  readonly image: ImageDigest
  readonly vcpus: number
  readonly memoryMiB: number
  readonly diskGiB: number
  readonly network: NetworkPolicy
  readonly trustDomain: TrustDomain
  /** Absent: `trust-domain`. */
  readonly sharing?: Sharing
  readonly allowEmulation: boolean
}
