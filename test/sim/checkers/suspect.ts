import type { MachineId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** A machine is granted only when it was said to be ready, and the last word on it is not that it is going. */
export const suspect: MakeChecker = () => {
  const lastWord = new Map<MachineId, string>()
  const granted = new Set<MachineId>()
  return {
    name: 'suspect',
    see(evidence) {
      if (evidence.kind === 'reported') {
        for (const { machine, state } of evidence.frame.machines) {
          // A frame that was overtaken says "creating" of what has long been ready.
          if (state !== 'creating') lastWord.set(machine, state)
        }
      }
      if (evidence.kind !== 'committed') return undefined
      for (const change of evidence.changes) {
        if (change.kind !== 'lease' || change.record.lease.state !== 'granted') continue
        const { machine } = change.record.lease
        if (granted.has(machine)) continue
        granted.add(machine)
        const word = lastWord.get(machine) ?? 'never said to be ready'
        if (word !== 'ready') return `machine ${machine} was granted while ${word}`
      }
      return undefined
    },
  }
}
