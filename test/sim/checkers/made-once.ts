import type { HostId, MachineId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** A machine that was reported ready is never made a second time, and none is ever made on two hosts. */
export const madeOnce: MakeChecker = () => {
  const made = new Set<MachineId>()
  const hostOf = new Map<MachineId, HostId>()
  return {
    name: 'made-once',
    see(evidence) {
      if (evidence.kind === 'reported') {
        for (const { machine, state } of evidence.frame.machines) if (state === 'ready') made.add(machine)
      }
      if (evidence.kind !== 'started') return undefined
      const { machine, host } = evidence
      if (made.has(machine)) return `machine ${machine} was ready once and is made again on ${host}`
      const before = hostOf.get(machine)
      hostOf.set(machine, host)
      return before === undefined || before === host
        ? undefined
        : `machine ${machine} is made on ${before} and ${host}`
    },
  }
}
