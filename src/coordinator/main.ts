/** The coordinator's process: its ports are made real here. */
import { chmodSync, mkdirSync } from 'node:fs'
import { pino } from 'pino'
import { SlipwayError, systemClock } from '../model/index.ts'
import { type Config, readConfig } from './config.ts'
import { Coordinator } from './coordinator.ts'
import { randomIds } from './ids.ts'
import type { Log } from './ports.ts'
import { serve } from './server/server.ts'
import { openStore } from './store/store.ts'

/** Nobody but us may read what this process makes; sockets are opened up one by one. */
const UMASK = 0o077
/** Groups other than ours must get to their socket. */
const RUN_MODE = 0o755
const STDERR = 2

export interface StartCoordinator {
  readonly configDir: string
  readonly version: string
  /** Aborting stops it cleanly: leases stay, sockets go. */
  readonly signal: AbortSignal
  /** Called once every socket answers. */
  readonly ready: () => void
}

/** Runs the coordinator until `signal` aborts. Throws `bad_config`, `coordinator_running`, `database_failed`, … */
export async function startCoordinator({
  configDir,
  version,
  signal,
  ready,
}: StartCoordinator): Promise<void> {
  process.umask(UMASK)
  const config = await readConfig(configDir)
  const log = makeLog()
  const ids = randomIds()
  makeRunDirectory(config.run)
  const store = openStore({ dir: config.state, makeId: ids.database })
  try {
    sayWhatIsOdd(config, log)
    const coordinator = new Coordinator(
      { store, clock: systemClock, ids, log },
      { version, flavors: config.flavors, policies: config.policies },
    )
    const server = await serve({ coordinator, run: config.run, ids, log })
    ready()
    await aborted(signal)
    coordinator.close()
    await server.close()
    log.info({}, 'stopped')
  } finally {
    store.close()
  }
}

/** JSON lines on stderr, written at once: the last one before a crash is the one that matters. */
const makeLog = (): Log => pino({ base: null }, pino.destination({ fd: STDERR, sync: true }))

function makeRunDirectory(run: string): void {
  try {
    if (mkdirSync(run, { recursive: true }) !== undefined) chmodSync(run, RUN_MODE)
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new SlipwayError('host_setup', { object: `directory ${run}`, detail }, { cause })
  }
}

function sayWhatIsOdd({ file, trial, flavors, policies, warnings }: Config, log: Log): void {
  for (const warning of warnings) log.warn({ file, warning }, 'configuration_without_effect')
  for (const [flavor, { jobsMax }] of policies) {
    if (jobsMax > 1) log.warn({ flavor, file, jobsMax }, 'isolation_between_jobs_is_waived')
  }
  for (const { name, allowEmulation } of flavors) {
    if (allowEmulation) log.warn({ flavor: name, file, trial }, 'emulation_allowed_is_no_security_boundary')
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
