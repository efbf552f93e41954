import { resourceName } from '../../../src/agent/drivers/resource-name.ts'
import type { HostId, LeaseId, MachineId } from '../../../src/model/index.ts'
import type { MakeChecker, Scene } from '../evidence.ts'

/** A lease does not outlive its machine: once its guest runs no more, the lease is soon over. */
export const lossIsTold: MakeChecker = () => {
  const granted = new Map<LeaseId, { readonly machine: MachineId; readonly host: HostId }>()
  const deadSinceMs = new Map<LeaseId, number>()
  return {
    name: 'loss-is-told',
    see(evidence, scene) {
      if (evidence.kind === 'committed') {
        for (const change of evidence.changes) {
          if (change.kind !== 'lease') continue
          const { lease } = change.record
          deadSinceMs.delete(lease.id)
          if (lease.state === 'granted') granted.set(lease.id, lease)
          else granted.delete(lease.id)
        }
      }
      if (evidence.kind !== 'tick' || scene.calmSinceMs === undefined) return undefined
      for (const [lease, { machine, host }] of granted) {
        if (runs(scene, host, machine)) continue
        const sinceMs = deadSinceMs.get(lease) ?? scene.now()
        deadSinceMs.set(lease, sinceMs)
        if (scene.now() - sinceMs > GRACE_MS)
          return `lease ${lease} still holds ${machine}, which runs no more`
      }
      return undefined
    },
  }
}

function runs(scene: Scene, host: HostId, machine: MachineId): boolean {
  const things = scene.hosts.find(({ id }) => id === host)?.things() ?? []
  const name = resourceName(host, machine)
  return things.some((thing) => thing.kind === 'domain' && thing.name === name && thing.state === 'running')
}

/** Two scans of the host, and what the coordinator needs to hear of them. */
const GRACE_MS = 45_000
