/** What can be asked of a host whose agent does not run. Each takes the agent's lock, so that none starts meanwhile. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '../api/index.ts'
import { type ImageDigest, systemClock } from '../model/index.ts'
import { leaks } from './audit.ts'
import { type AgentConfig, layoutOf, readAgentConfig } from './config.ts'
import type { DriverFacts } from './drivers/driver.ts'
import { fileRecords } from './file-records.ts'
import { takeAgentLock } from './lock.ts'
import { ALLEGIANCE_FILE } from './memory.ts'
import { openDriver } from './open-driver.ts'
import { scanHost } from './scan.ts'

export interface OfflineOptions {
  readonly configDir: string
  readonly signal: AbortSignal
}

/**
 * Everything of ours on this host, when nothing is wanted: each thing found is a leak. Throws `agent_running` while an
 * agent lives; ask the coordinator then.
 */
export function auditHost({ configDir, signal }: OfflineOptions): Promise<readonly Finding[]> {
  return withLock(configDir, async (config) => {
    const { driver } = await openDriver(config, systemClock)
    await driver.prepare({ signal })
    try {
      const { listed, records } = await scanHost(driver, await fileRecords(layoutOf(config).records))
      return leaks([...listed, ...records])
    } finally {
      await driver.close()
    }
  })
}

/** What this host can do, found by trying, whether or not an agent lives. Throws what the driver's `probe` throws. */
export async function probeHost({ configDir, signal }: OfflineOptions): Promise<DriverFacts> {
  const { driver } = await openDriver(await readAgentConfig(configDir), systemClock)
  return driver.probe({ signal })
}

/** Forgets whom this host obeys: the next coordinator that greets its agent is obeyed, whatever its database. */
export function adopt({ configDir }: Pick<OfflineOptions, 'configDir'>): Promise<void> {
  return withLock(configDir, ({ state }) => rm(join(state, ALLEGIANCE_FILE), { force: true }))
}

async function withLock<T>(configDir: string, task: (config: AgentConfig) => Promise<T>): Promise<T> {
  const config = await readAgentConfig(configDir)
  const release = await takeAgentLock({ host: config.host, runDir: config.run })
  try {
    return await task(config)
  } finally {
    release()
  }
}

/** Machines of this host per image, as it remembers them itself, whether or not an agent lives. */
export async function imagesInUse({
  run,
  state,
}: Pick<AgentConfig, 'run' | 'state'>): Promise<ReadonlyMap<ImageDigest, number>> {
  const counts = new Map<ImageDigest, number>()
  const { records } = layoutOf({ run, state })
  if (!existsSync(records)) return counts
  for (const { spec } of await (await fileRecords(records)).load()) {
    counts.set(spec.image, (counts.get(spec.image) ?? 0) + 1)
  }
  return counts
}
