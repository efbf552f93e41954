/** Which agents are not let in, and why. */
import type { FromAgent } from '../api/index.ts'
import { REPORT_EVERY_MS } from '../api/server.ts'
import type { DatabaseId, Failure } from '../model/index.ts'
import type { AgentLink } from './ports.ts'
import type { State } from './state.ts'

/** An agent that has said nothing for this long is taken for dead: another may take its place. */
export const HOST_SILENT_MS = 4 * REPORT_EVERY_MS
const HOSTS_MAX = 1_000

export function refusalOf(
  { host, database, stamp, facts }: Extract<FromAgent, { type: 'hello' }>,
  {
    state,
    database: ours,
    epoch,
    link,
    now,
  }: {
    readonly state: State
    readonly database: DatabaseId
    readonly epoch: number
    readonly link: AgentLink
    readonly now: number
  },
): Failure | undefined {
  if (database !== undefined && database !== ours) {
    return { code: 'other_database', args: { host, theirs: database, ours } }
  }
  if (stamp.epoch > epoch) return { code: 'stale_stamp', args: {} }
  const spokenFor = [...state.hosts.values()].find((each) => each.link === link)?.host
  if (facts.host !== host || (spokenFor !== undefined && spokenFor !== host)) {
    return { code: 'bad_request', args: { detail: 'one connection speaks for one host' } }
  }
  const known = state.hosts.get(host)
  if (!known && state.hosts.size >= HOSTS_MAX) {
    return { code: 'too_busy', args: { what: 'the list of hosts', limit: HOSTS_MAX } }
  }
  const alive = known?.link !== undefined && now - known.heardAtMs <= HOST_SILENT_MS
  return alive && known.link !== link ? { code: 'host_taken', args: { host } } : undefined
}
