import type { LeaseView, MachineView, Reply } from '../../api/index.ts'
import { roughly } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { reach } from '../reach.ts'
import { table } from '../text.ts'

/** Lists machines, leases and hosts: one table each, empty ones left out. */
export async function main(call: Call): Promise<number> {
  const { io, options } = call
  const { signal } = io
  const client = await reach(call)
  const [{ machines }, { leases }, { hosts }] = await Promise.all([
    client.call('machineList', { signal }),
    client.call('leaseList', { query: options.flag('all') ? { all: 'true' } : {}, signal }),
    client.call('hostList', { signal }),
  ])
  if (options.flag('quiet')) io.print(machines.map(({ machine }) => `${machine}\n`).join(''))
  else if (call.json) writeJson(io, { machines, leases, hosts })
  else io.print(lists({ machines, leases, hosts }, Date.now()))
  return EXIT.ok
}

interface Lists {
  readonly machines: readonly MachineView[]
  readonly leases: readonly LeaseView[]
  readonly hosts: Reply<'hostList'>['hosts']
}

function lists({ machines, leases, hosts }: Lists, nowMs: number): string {
  const tables = [
    table(
      ['machine', 'state', 'flavor', 'host', 'age', 'lease'],
      machines.map((m) => [
        m.machine,
        m.state,
        m.spec.flavor,
        m.host,
        roughly(nowMs - m.createdAtMs),
        m.lease,
      ]),
    ),
    ...(leases.length === 0 ? [] : [leaseTable(leases, nowMs)]),
    table(
      ['host', 'state', 'runs', 'machines', 'vcpus', 'memory', 'images'],
      hosts.map((h) => [
        h.host,
        h.connected ? 'up' : 'away',
        h.facts?.acceleration,
        String(h.machines),
        `${h.reserved.vcpus}/${h.facts?.capacity.vcpus ?? '?'}`,
        `${h.reserved.memoryMiB}/${h.facts?.capacity.memoryMiB ?? '?'} MiB`,
        h.facts?.images.map(({ name }) => name).join(','),
      ]),
    ),
  ]
  return tables.join('\n')
}

const leaseTable = (leases: readonly LeaseView[], nowMs: number): string =>
  table(
    ['lease', 'state', 'flavor', 'runner', 'age', 'machine'],
    leases.map((l) => [
      l.name,
      l.end ?? l.state,
      l.flavor,
      l.runner,
      roughly(nowMs - l.askedAtMs),
      l.machine ?? (l.waiting === undefined ? undefined : `waits, position ${l.waiting.position}`),
    ]),
  )
