import { readFile, stat } from 'node:fs/promises'
import { parseTrace, readConfig, replay, type TallyReport } from '../../coordinator/index.ts'
import { type Capacity, type Flavor, parseId, roughly, SlipwayError } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { table } from '../text.ts'

const TRACE_BYTES_MAX = 128 * 1024 * 1024
const MAKING_MS_DEFAULT = 5_000
const GOING_MS_DEFAULT = 1_000
/** A host that sets no bound. */
const VAST: Capacity = { vcpus: 1e9, memoryMiB: 1e12, diskMiB: 1e12 }
const MIB_PER_GIB = 1024

/** Plays a trace of jobs against the flavors of `coordinator.toml` on virtual time: how long jobs wait, what it costs. */
export async function main({ config: dir, options, io, json }: Call): Promise<number> {
  const config = await readConfig(dir)
  const [first] = config.flavors
  const trace = options.text('trace')
  if (trace === undefined || first === undefined) {
    throw new SlipwayError('bad_request', {
      detail: '--trace FILE is missing: jobs as CSV, asked,duration_s[,flavor]',
    })
  }
  const jobs = parseTrace(await textOf(trace), {
    flavor: first.name,
    trustDomain: parseId('TrustDomain', 'default'),
    startMs: startOf(options.text('start')),
  })
  const vcpus = options.count('vcpus')
  const memoryGiB = options.count('memoryGib')
  const capacity: Capacity = {
    ...VAST,
    ...(vcpus === undefined ? {} : { vcpus }),
    ...(memoryGiB === undefined ? {} : { memoryMiB: memoryGiB * MIB_PER_GIB }),
  }
  const report = replay({
    jobs,
    flavors: config.flavors,
    policies: config.policies,
    hosts: [{ host: parseId('HostId', 'simulated'), capacity }],
    makingMs: options.durationMs('making') ?? MAKING_MS_DEFAULT,
    goingMs: options.durationMs('going') ?? GOING_MS_DEFAULT,
  })
  if (json) writeJson(io, report)
  else {
    for (const warning of config.warnings) io.print(`note: ${warning}\n`)
    io.print(words(report, config.flavors))
  }
  return EXIT.ok
}

function words({ flavors, unserved }: TallyReport, known: readonly Flavor[]): string {
  const rows = flavors.map((tally) => [
    tally.flavor,
    String(tally.jobs),
    `${Math.round((100 * tally.atOnce) / Math.max(1, tally.jobs))} %`,
    ...[tally.waitMs.p50, tally.waitMs.p95, tally.waitMs.p99, tally.waitMs.max].map(roughly),
    `${tally.machinesMax} of ${known.find(({ name }) => name === tally.flavor)?.limit ?? '?'}`,
    tally.machineHours.toFixed(1),
    tally.leasedHours.toFixed(1),
    tally.idleHours.toFixed(1),
  ])
  const head = [
    'flavor',
    'jobs',
    'at once',
    'wait p50',
    'p95',
    'p99',
    'max',
    'most machines',
    'machine-hours',
    'leased',
    'idle',
  ]
  const left =
    unserved === 0 ? '' : `${unserved} jobs can have no machine: their flavor is larger than the host\n`
  return `${table(head, rows)}${left}`
}

async function textOf(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > TRACE_BYTES_MAX)
      throw new SlipwayError('too_large', { what: file, limitBytes: TRACE_BYTES_MAX })
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof SlipwayError) throw cause
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    throw new SlipwayError('bad_request', { detail: `trace ${file} cannot be read (${code})` }, { cause })
  }
}

/** What a trace's seconds count from: the last midnight in UTC, unless said. */
function startOf(text: string | undefined): number {
  if (text === undefined) return Math.floor(Date.now() / DAY_MS) * DAY_MS
  const at = Date.parse(text)
  if (Number.isNaN(at))
    throw new SlipwayError('bad_request', { detail: `--start takes a time such as 2026-11-23T00:00:00Z` })
  return at
}

const DAY_MS = 24 * 3_600_000
