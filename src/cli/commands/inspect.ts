import type { Client } from '../../api/index.ts'
import { SlipwayError } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { pick } from '../pick.ts'
import { reach } from '../reach.ts'

/** Prints all there is to know of one thing, whatever its kind. */
export async function main(call: Call): Promise<number> {
  const written = call.args[0] ?? ''
  const things = await everything(await reach(call), call.io.signal)
  const name = pick('machine, lease, host or flavor', written, [...things.keys()])
  const thing = things.get(name)
  if (thing === undefined) throw new SlipwayError('not_found', { kind: 'thing', name })
  writeJson(call.io, thing)
  return EXIT.ok
}

async function everything(client: Client, signal: AbortSignal): Promise<ReadonlyMap<string, unknown>> {
  const [{ flavors }, { hosts }, { leases }, { machines }] = await Promise.all([
    client.call('flavorList', { signal }),
    client.call('hostList', { signal }),
    client.call('leaseList', { query: { all: 'true' }, signal }),
    client.call('machineList', { signal }),
  ])
  return new Map<string, unknown>([
    ...flavors.map((flavor) => [flavor.name, { kind: 'flavor', ...flavor }] as const),
    ...hosts.map((host) => [host.host, { kind: 'host', ...host }] as const),
    ...leases.map((lease) => [lease.id, { kind: 'lease', ...lease }] as const),
    ...leases.map((lease) => [lease.name, { kind: 'lease', ...lease }] as const),
    ...machines.map((machine) => [machine.machine, { kind: 'machine', ...machine }] as const),
  ])
}
