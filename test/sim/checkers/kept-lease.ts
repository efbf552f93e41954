import type { Lease, LeaseId, MachineId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/**
 * A lease whose holder heartbeats ends only when the holder says so or its machine meets misfortune. Its time to live
 * starts anew with each coordinator. A waiting lease may fail with a code, but not expire either.
 */
export const keptLease: MakeChecker = () => {
  const aliveAtMs = new Map<LeaseId, number>()
  const unlucky = new Set<MachineId>()
  const machineOf = new Map<LeaseId, MachineId>()

  const ended = (lease: Extract<Lease, { state: 'ended' }>, nowMs: number): string | undefined => {
    const machine = machineOf.get(lease.id)
    const silentMs = nowMs - (aliveAtMs.get(lease.id) ?? nowMs)
    switch (lease.end) {
      case 'released':
        return undefined
      case 'expired':
        return silentMs < lease.ttlMs
          ? `lease ${lease.id} expired ${silentMs} ms after its heartbeat`
          : undefined
      case 'lost':
        if (machine === undefined) return `lease ${lease.id} lost a machine it never had`
        return unlucky.has(machine) ? undefined : `lease ${lease.id} lost ${machine}, which met no misfortune`
      case 'failed':
        return machine === undefined ? undefined : `lease ${lease.id} failed after it was granted ${machine}`
    }
  }

  return {
    name: 'kept-lease',
    see(evidence, scene) {
      if (evidence.kind === 'heard') {
        aliveAtMs.set(evidence.lease, scene.now())
      }
      if (evidence.kind === 'epoch') for (const lease of aliveAtMs.keys()) aliveAtMs.set(lease, scene.now())
      if (evidence.kind === 'misfortune') unlucky.add(evidence.machine)
      if (evidence.kind !== 'committed') return undefined
      for (const change of evidence.changes) {
        if (change.kind !== 'lease') continue
        const { lease } = change.record
        if (!aliveAtMs.has(lease.id)) aliveAtMs.set(lease.id, scene.now())
        if (lease.state === 'granted') machineOf.set(lease.id, lease.machine)
        const broken = lease.state === 'ended' ? ended(lease, scene.now()) : undefined
        if (broken) return broken
      }
      return undefined
    },
  }
}
