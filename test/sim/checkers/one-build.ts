import { parseResourceName } from '../../../src/agent/drivers/resource-name.ts'
import type { HostId, MachineId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** One template at a time is built on a host, and only in room that the coordinator has named. */
export const oneBuild: MakeChecker = () => {
  const reserved = new Set<HostId>()
  const wanted = new Set<MachineId>()
  return {
    name: 'one-build',
    see(evidence, scene) {
      if (evidence.kind === 'wanted') {
        for (const { machine } of evidence.frame.machines) wanted.add(machine)
        const templates = evidence.frame.templates ?? []
        const rooms = templates.filter(({ reservation }) => reservation !== undefined)
        if (rooms.length > 1) return `${rooms.length} templates have room on ${evidence.host}`
        if (rooms.length === 1) reserved.add(evidence.host)
      }
      if (evidence.kind !== 'started' || wanted.has(evidence.machine)) return undefined
      const host = scene.hosts.find(({ id }) => id === evidence.host)
      if (!reserved.has(evidence.host)) return `${evidence.host} builds in no room`
      const moulds = (host?.things() ?? []).filter((thing) => {
        // What does not run is a hull, or not yet so far.
        if (thing.kind !== 'domain' || thing.state !== 'running') return false
        const machine = parseResourceName(evidence.host, thing.name)
        return machine !== undefined && !wanted.has(machine)
      })
      return moulds.length > 1 ? `${moulds.length} templates are built on ${evidence.host}` : undefined
    },
  }
}
