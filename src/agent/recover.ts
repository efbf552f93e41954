/**
 * What an earlier life of the agent left on this host, as this life holds it:
 *
 *   record   resources   guest runs      held as
 *   ready    –           yes             ready, with its access, key included
 *   ready    –           no              dead: lost while nobody watched
 *   lost     –           –               dead, as it was reported
 *   creating or none     any             half
 *   creating none        –               half: its record goes with it
 */
import type { MachineId } from '../model/index.ts'
import { withDeadline } from './deadline.ts'
import type { Held } from './held.ts'
import type { AgentPorts } from './ports.ts'
import type { MachineRecord } from './records.ts'

/** Each of the driver's two listings, at a start. */
const LIST_MS = 30_000

export async function recover({ driver, records, clock }: AgentPorts): Promise<readonly Held[]> {
  const deadline = {
    clock,
    step: 'listing the host',
    deadlineMs: LIST_MS,
    signal: new AbortController().signal,
  }
  const known = await records.load()
  const listed = await withDeadline(deadline, () => driver.list())
  const running = await withDeadline(deadline, () => driver.running())
  const held = new Map<MachineId, Held>()
  for (const machine of await records.machines()) held.set(machine, half(machine))
  for (const { machine } of listed) if (machine !== undefined) held.set(machine, half(machine))
  for (const record of known) held.set(record.machine, fromRecord(record, running.has(record.machine)))
  return [...held.values()]
}

const half = (machine: MachineId): Held => ({ machine, spec: undefined, timeline: [], state: 'half' })

function fromRecord(record: MachineRecord, runs: boolean): Held {
  const { machine, spec, timeline } = record
  const common = { machine, spec, timeline }
  switch (record.state) {
    case 'creating':
      return { ...common, state: 'half' }
    case 'lost': {
      const { failure, consoleTail } = record
      return { ...common, state: 'dead', death: { end: 'lost', failure, consoleTail } }
    }
    case 'ready': {
      if (runs) return { ...common, state: 'ready', access: record.access }
      const args = { machine, detail: 'its guest did not run when the agent started' }
      const failure = { code: 'machine_lost', args } as const
      return { ...common, state: 'dead', death: { end: 'lost', failure, consoleTail: [] } }
    }
  }
}
