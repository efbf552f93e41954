import type { LeaseId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** Every request is answered in time and with a code; a lease ends once, for a reason, and stays ended. */
export const requestsEnd: MakeChecker = () => {
  const ended = new Map<LeaseId, string>()
  return {
    name: 'requests-end',
    see(evidence) {
      if (evidence.kind === 'answered') {
        if (evidence.bug !== undefined) return `${evidence.call} failed without a code: ${evidence.bug}`
        if (evidence.lateMs > LATE_MS_MAX) return `${evidence.call} was answered ${evidence.lateMs} ms late`
      }
      if (evidence.kind !== 'committed') return undefined
      for (const change of evidence.changes) {
        if (change.kind !== 'lease') continue
        const { lease } = change.record
        const before = ended.get(lease.id)
        if (lease.state !== 'ended') {
          if (before !== undefined) return `lease ${lease.id} ended as ${before} and is ${lease.state} again`
          continue
        }
        if (before !== undefined && before !== lease.end)
          return `lease ${lease.id} ended as ${before} and ${lease.end}`
        ended.set(lease.id, lease.end)
        if (lease.end !== 'released' && lease.failure === undefined) {
          return `lease ${lease.id} ended as ${lease.end} and nothing says why`
        }
      }
      return undefined
    },
  }
}

const LATE_MS_MAX = 5_000
