import { compareStamps, type HostId, type Stamp } from '../../../src/model/index.ts'
import type { MakeChecker, Wanted } from '../evidence.ts'

/** Stamps never go back: not as sent, not as obeyed; one stamp stands for one set; each coordinator has a new epoch. */
export const stamps: MakeChecker = () => {
  const sent = new Map<HostId, Wanted>()
  const obeyed = new Map<HostId, Stamp>()
  let lastEpoch = 0
  return {
    name: 'stamps',
    see(evidence) {
      switch (evidence.kind) {
        case 'epoch': {
          const before = lastEpoch
          lastEpoch = evidence.epoch
          return evidence.epoch > before ? undefined : `epoch ${evidence.epoch} after ${before}`
        }
        case 'wanted': {
          const before = sent.get(evidence.host)
          sent.set(evidence.host, evidence.frame)
          return before && judge(evidence.host, before, evidence.frame)
        }
        case 'obeyed': {
          const before = obeyed.get(evidence.host)
          obeyed.set(evidence.host, evidence.stamp)
          if (before === undefined || compareStamps(evidence.stamp, before) >= 0) return undefined
          return `${evidence.host} obeyed ${text(before)}, then ${text(evidence.stamp)}`
        }
        default:
          return undefined
      }
    },
  }
}

function judge(host: HostId, before: Wanted, after: Wanted): string | undefined {
  const order = compareStamps(after.stamp, before.stamp)
  if (order < 0) return `${host} was sent ${text(before.stamp)}, then ${text(after.stamp)}`
  if (order > 0 || JSON.stringify(before.machines) === JSON.stringify(after.machines)) return undefined
  return `${host} was sent two sets under ${text(after.stamp)}`
}

const text = ({ epoch, generation }: Stamp): string => `(${epoch}, ${generation})`
