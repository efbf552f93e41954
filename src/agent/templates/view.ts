import type { Capacity, MachineId, WantedTemplate } from '../../model/index.ts'
import type { Held } from '../held.ts'
import { roomLeft } from './room.ts'

/** What the agent knows and a plan for templates needs. */
export interface FoundryView {
  /** Absent: the coordinator leaves it to the host. */
  readonly wanted: readonly WantedTemplate[] | undefined
  /** Machines in the making. */
  readonly making: number
  /** What the machines leave of the host; negative where they want more than there is. */
  readonly room: Capacity
}

export interface AgentView {
  readonly held: ReadonlyMap<MachineId, Held>
  readonly capacity: Capacity
  readonly templates: readonly WantedTemplate[] | undefined
}

export function foundryView({ held, capacity, templates }: AgentView): FoundryView {
  const machines = [...held.values()]
  const specs = machines.flatMap(({ spec }) => spec ?? [])
  const making = machines.filter(({ state }) => state === 'creating').length
  return { wanted: templates, making, room: roomLeft(capacity, specs) }
}
