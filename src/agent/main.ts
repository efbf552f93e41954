/** The agent's process: real ports for `Agent`, from the configuration to the last thing stopped. */
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { ensureOwnFolder } from '../files/index.ts'
import { systemClock } from '../model/index.ts'
import { Agent, type OnStop } from './agent.ts'
import { type AgentConfig, layoutOf, readAgentConfig } from './config.ts'
import { consoleStreams } from './console-stream.ts'
import { AgentEvents } from './events.ts'
import { fileRecords } from './file-records.ts'
import { hostFacts } from './host-facts.ts'
import { takeAgentLock } from './lock.ts'
import { jsonLines } from './log-lines.ts'
import { fileMemory } from './memory.ts'
import { type OpenDriver, openDriver } from './open-driver.ts'
import type { TemplateLimits } from './templates/index.ts'
import { packTools } from './tools.ts'
import { keepUplink } from './uplink.ts'

/** More would only make each of them slower: a boot keeps a CPU busy. */
const CLONES_AT_ONCE_MAX = 8
const MS_PER_S = 1_000
const MS_PER_H = 3_600 * MS_PER_S
const MIB_PER_GIB = 1_024

export interface StartOptions {
  readonly configDir: string
  /** Of this program. */
  readonly version: string
  /** Aborting stops the agent. */
  readonly signal: AbortSignal
  /** Called when it is in control of its host, whether or not a coordinator is there. */
  readonly ready: () => void
  /** `keep` for a restart, `destroy` when Slipway as a whole goes. */
  readonly onStop: OnStop
  /** Takes the log, a JSON object a line. */
  readonly log: (line: string) => void
}

/**
 * Runs an agent until the signal aborts and it has stopped. Throws what keeps it from its host: `bad_config`,
 * `agent_running`, `not_root`, `missing_program`, `hypervisor_down`; anything else is a bug of ours.
 */
export async function startAgent({
  configDir,
  version,
  signal,
  ready,
  onStop,
  log,
}: StartOptions): Promise<void> {
  // Each report is garbage a moment later. V8 would answer with an ever larger nursery: 140 MB resident instead of 90.
  setFlagsFromString('--semi-space-growth-factor=1')
  const config = await readAgentConfig(configDir)
  const events = new AgentEvents(jsonLines(log, systemClock.wall))
  const release = await takeAgentLock({ host: config.host, runDir: config.run })
  const lineEnd = new AbortController()
  try {
    const opened = await openDriver(config, systemClock)
    const agent = await takeControl({ config, version, events, signal, ...opened })
    const connected: Agent['connected'] = (send) => agent.connected(send)
    const line = { socket: config.coordinator, clock: systemClock, jitter: Math.random, events, connected }
    void keepUplink({ ...line, signal: lineEnd.signal })
    ready()
    await Promise.race([agent.done, aborted(signal)])
    await agent.stop(onStop)
  } finally {
    lineEnd.abort()
    release()
  }
}

interface Parts extends OpenDriver {
  readonly config: AgentConfig
  readonly version: string
  readonly events: AgentEvents
  readonly signal: AbortSignal
}

/** On failure what the driver had started is stopped again, unless machines of an earlier agent need it. */
async function takeControl(parts: Parts): Promise<Agent> {
  const { driver, signal } = parts
  try {
    await driver.prepare({ signal })
    const agent = await buildAgent(parts)
    await agent.start()
    return agent
  } catch (error) {
    await driver.close().catch((trouble: unknown) => parts.events.trouble('stop the driver', trouble))
    throw error
  }
}

async function buildAgent({ config, version, events, signal, driver, images, door }: Parts): Promise<Agent> {
  const { host, limits, tools, templates } = config
  const layout = layoutOf(config)
  await ensureOwnFolder(config.state)
  const disk =
    tools === undefined ? {} : { tools: await packTools({ source: tools, dir: layout.tools, signal }) }
  const probed = await driver.probe({ signal })
  const ports = {
    driver,
    images,
    records: await fileRecords(layout.records),
    memory: fileMemory(config.state),
    clock: systemClock,
    random: randomBytes,
    door,
    events,
    facts: async () => hostFacts({ host, version, limits, driver: probed }, await images.list()),
    openConsole: consoleStreams({ socket: config.coordinator, clock: systemClock, driver }),
  }
  const cpus = Math.min(availableParallelism(), CLONES_AT_ONCE_MAX)
  return new Agent(ports, {
    host,
    ...disk,
    clonesAtOnce: limits.clones_at_once ?? cpus,
    bootMs: limits.boot_s * MS_PER_S,
    ...(templates.enabled && { templates: templateLimits(templates) }),
  })
}

const templateLimits = ({ max_age_h, disk_gib, hulls }: AgentConfig['templates']): TemplateLimits => ({
  ageMsMax: max_age_h * MS_PER_H,
  diskMiBMax: disk_gib * MIB_PER_GIB,
  hulls,
})

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
