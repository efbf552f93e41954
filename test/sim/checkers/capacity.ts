import { MACHINE_OVERHEAD_MIB } from '../../../src/coordinator/placement/embedded.ts'
import type { MakeChecker, SceneHost } from '../evidence.ts'

/** What lies on a host, dying machines included, never takes more than the host has. */
export const capacity: MakeChecker = () => ({
  name: 'capacity',
  see(evidence, scene) {
    if (evidence.kind !== 'started') return undefined
    const host = scene.hosts.find(({ id }) => id === evidence.host)
    return host && overfull(host)
  },
})

function overfull(host: SceneHost): string | undefined {
  const used = { vcpus: 0, memoryMiB: 0, diskMiB: 0 }
  for (const thing of host.things()) {
    if (host.decoys.includes(`${thing.kind}/${thing.name}`)) continue
    if (thing.kind === 'domain' && thing.state === 'running') {
      used.vcpus += thing.vcpus
      used.memoryMiB += thing.memoryMiB + MACHINE_OVERHEAD_MIB
    }
    if (thing.kind === 'overlay') used.diskMiB += thing.diskMiB
  }
  for (const kind of ['vcpus', 'memoryMiB', 'diskMiB'] as const) {
    if (used[kind] > host.size[kind]) return `${host.id} uses ${kind} ${used[kind]} of ${host.size[kind]}`
  }
  return undefined
}
