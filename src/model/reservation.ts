import type { Capacity } from './host.ts'
import type { HostId, MachineId, ReservationId } from './id.ts'
import type { TemplateShape } from './template.ts'

/**
 * Room for one machine on a host, kept while wanted, given to the next machine only after the last one is
 * reported gone. Written by placement.
 */
export interface Reservation {
  readonly id: ReservationId
  readonly host: HostId
  readonly room: Capacity
  readonly machine?: MachineId
  /** Absent but for room in which a machine is booted to be frozen. */
  readonly template?: TemplateShape
}
