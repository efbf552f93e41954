/** Machines that a host has and this coordinator run has not named: made before its start, or not wanted at all. */
import type { MachineReportFrame } from '../api/index.ts'
import type { HostId, ReservationId } from '../model/index.ts'
import { toAccess } from './observe.ts'
import type { HeldMachine } from './plan/index.ts'

interface Found {
  readonly host: HostId
  readonly reservation: ReservationId
  readonly now: number
  readonly wall: number
}

/** Takes over a machine of before the start: it goes to its pool as far as it has come. Call only for one that never served. */
export function adopt(report: MachineReportFrame, found: Found): Omit<HeldMachine, 'since'> {
  const stray = strayMachine(report, found)
  switch (report.state) {
    case 'creating':
      return { ...stray, state: 'creating' }
    case 'ready':
    case 'suspect':
      return {
        ...stray,
        state: report.state,
        made: true,
        access: toAccess(report.access),
        readyAtMs: found.wall,
      }
    default:
      return stray
  }
}

/** One that nobody may have: it counts against its host until it is gone. */
export const strayMachine = (
  { machine, spec, timeline }: MachineReportFrame,
  { host, reservation, now, wall }: Found,
): Omit<HeldMachine, 'since'> => ({
  machine,
  reservation,
  spec,
  host,
  state: 'doomed',
  createdAtMs: wall,
  namedAtMs: now,
  stateAtMs: now,
  made: false,
  timeline,
})
