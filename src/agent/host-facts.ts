import type { Capacity, HostFacts, HostId, HostImage } from '../model/index.ts'
import type { AgentConfig } from './config.ts'
import type { DriverFacts } from './drivers/driver.ts'

export type Limits = AgentConfig['limits']

/** What machines may take in all: the host, less what it needs itself, within what the operator allows. */
export function capacityOf(
  driver: Pick<DriverFacts, 'vcpus' | 'memoryMiB' | 'diskMiB'>,
  limits: Limits,
): Capacity {
  const upTo = (have: number, limit: number | undefined): number =>
    Math.max(0, Math.floor(Math.min(have, limit ?? have)))
  return {
    vcpus: upTo(driver.vcpus * limits.vcpu_overcommit, limits.vcpus),
    memoryMiB: upTo(driver.memoryMiB - limits.memory_reserve_mib, limits.memory_mib),
    diskMiB: upTo(driver.diskMiB - limits.disk_reserve_mib, limits.disk_mib),
  }
}

export interface HostFactsOptions {
  readonly host: HostId
  readonly version: string
  readonly limits: Limits
  /** Found once, at the start: what is free later is what machines already have. */
  readonly driver: DriverFacts
}

/** What the host says of itself now; images come and go while the agent runs. */
export const hostFacts = (options: HostFactsOptions, images: readonly HostImage[]): HostFacts => ({
  host: options.host,
  version: options.version,
  acceleration: options.driver.acceleration,
  capacity: capacityOf(options.driver, options.limits),
  images,
  cloning: options.driver.cloning,
})
