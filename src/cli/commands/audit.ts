import type { Finding, Reply } from '../../api/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { isUnreachable, reach } from '../reach.ts'
import { requireRoot } from '../root.ts'
import { table } from '../text.ts'

type Hosts = Reply<'audit'>['hosts']

/** Compares what is ours on each host with what should be there; any difference is exit code 1. */
export async function main(call: Call): Promise<number> {
  const hosts = await look(call)
  const rows = hosts.flatMap(({ host, findings }) => findings.map((finding) => row(host, finding)))
  if (call.json) writeJson(call.io, { hosts })
  else if (rows.length > 0) call.io.print(table(['host', 'problem', 'kind', 'name', 'machine'], rows))
  else call.io.print('nothing is there that should not be, and nothing is missing\n')
  return rows.length > 0 ? EXIT.failed : EXIT.ok
}

const row = (host: string, { problem, kind, name, machine }: Finding) => [host, problem, kind, name, machine]

/** Where no coordinator runs nothing is wanted: whatever is found is too much. */
async function look(call: Call): Promise<Hosts> {
  const { signal } = call.io
  try {
    return (await (await reach(call)).call('audit', { signal })).hosts
  } catch (error) {
    if (!isUnreachable(error)) throw error
  }
  requireRoot('an audit without a coordinator')
  const { auditHost, readAgentConfig } = await import('../../agent/index.ts')
  const { host } = await readAgentConfig(call.config)
  return [{ host, findings: [...(await auditHost({ configDir: call.config, signal }))] }]
}
