import type { LeaseId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** A private key is in no store and no log, and nobody is shown one once the lease is over. */
export const keys: MakeChecker = () => {
  const over = new Set<LeaseId>()
  return {
    name: 'keys',
    see(evidence) {
      if (evidence.kind === 'logged') {
        return evidence.text.includes(MARK)
          ? `a log holds a private key: ${evidence.text.slice(0, 80)}`
          : undefined
      }
      if (evidence.kind === 'shown') {
        return over.has(evidence.lease) ? `lease ${evidence.lease} is over and was shown a key` : undefined
      }
      if (evidence.kind !== 'committed') return undefined
      if (JSON.stringify(evidence.changes).includes(MARK)) return 'the store was handed a private key'
      for (const change of evidence.changes) {
        if (change.kind === 'lease' && change.record.lease.state === 'ended') over.add(change.record.lease.id)
      }
      return undefined
    },
  }
}

const MARK = 'PRIVATE KEY'
