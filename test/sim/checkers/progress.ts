import type { Lease, LeaseId } from '../../../src/model/index.ts'
import type { MakeChecker, Scene } from '../evidence.ts'

/**
 * With faults over, no lease that asks is failed, and nobody waits while nothing moves: no machine granted, none given
 * back, for longer than a job, a forgotten lease or a host's rest can last.
 */
export const progress: MakeChecker = () => {
  const waiting = new Map<LeaseId, number>()
  let movedAtMs = 0
  const failedBy = (lease: Lease, sinceMs: number, scene: Scene): string | undefined => {
    const quietMs = sinceMs - (scene.calmSinceMs ?? Number.POSITIVE_INFINITY)
    if (lease.state !== 'ended' || lease.end !== 'failed' || quietMs < SETTLE_MS) return undefined
    return `lease ${lease.id}, asked for ${quietMs} ms after the last fault, failed: ${lease.failure?.code}`
  }
  return {
    name: 'progress',
    see(evidence, scene) {
      if (evidence.kind === 'committed') {
        for (const change of evidence.changes) {
          if (change.kind !== 'lease') continue
          const { lease } = change.record
          const failed = failedBy(lease, waiting.get(lease.id) ?? 0, scene)
          if (failed) return failed
          if (lease.state !== 'waiting' && !(lease.state === 'ended' && waiting.has(lease.id)))
            movedAtMs = scene.now()
          if (lease.state !== 'waiting') waiting.delete(lease.id)
          else if (!waiting.has(lease.id)) waiting.set(lease.id, scene.now())
        }
      }
      if (evidence.kind !== 'tick' || scene.calmSinceMs === undefined) return undefined
      for (const [lease, sinceMs] of waiting) {
        const waitsMs = scene.now() - Math.max(sinceMs, movedAtMs, scene.calmSinceMs)
        if (waitsMs > WAIT_MS_MAX) return `lease ${lease} waits, and nothing has moved for ${waitsMs} ms`
      }
      return undefined
    },
  }
}

/** What went wrong before may show for so long. */
const SETTLE_MS = 30_000
const WAIT_MS_MAX = 100_000
