import type { LeaseId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** A lease whose holder fell silent is over once its time to live has passed, counted anew from each coordinator's start. */
export const abandonedEnds: MakeChecker = () => {
  const alive = new Map<LeaseId, { readonly atMs: number; readonly ttlMs: number }>()
  let coordinatorAtMs = 0
  return {
    name: 'abandoned-ends',
    see(evidence, scene) {
      if (evidence.kind === 'epoch') coordinatorAtMs = scene.now()
      if (evidence.kind === 'heard') alive.set(evidence.lease, { atMs: scene.now(), ttlMs: evidence.ttlMs })
      if (evidence.kind === 'committed') {
        for (const change of evidence.changes) {
          if (change.kind !== 'lease') continue
          const { lease } = change.record
          if (lease.state === 'ended') alive.delete(lease.id)
          else if (!alive.has(lease.id)) alive.set(lease.id, { atMs: scene.now(), ttlMs: lease.ttlMs })
        }
      }
      if (evidence.kind !== 'tick' || scene.calmSinceMs === undefined) return undefined
      for (const [lease, { atMs, ttlMs }] of alive) {
        const silentMs = scene.now() - Math.max(atMs, coordinatorAtMs, scene.calmSinceMs)
        if (silentMs > ttlMs + SLACK_MS) return `lease ${lease} lives ${silentMs} ms after its last heartbeat`
      }
      return undefined
    },
  }
}

/** Who waits for news of a lease keeps it alive; a front waits for 20 s at most. */
const SLACK_MS = 30_000
