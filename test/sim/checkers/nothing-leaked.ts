import { parseResourceName } from '../../../src/agent/drivers/resource-name.ts'
import { type HostId, hullsIn, type MachineId } from '../../../src/model/index.ts'
import type { MakeChecker, SceneHost } from '../evidence.ts'

/**
 * Once faults have stopped for a minute, all that lies on a host, records included, belongs to a wanted machine, or is a
 * hull that the host offers.
 */
export const nothingLeaked: MakeChecker = () => {
  const wanted = new Map<HostId, ReadonlySet<MachineId>>()
  const offered = new Map<HostId, ReadonlySet<MachineId>>()
  /** Machines that left the wanted set, and when: their removal takes a while. */
  const unwantedSinceMs = new Map<MachineId, number>()
  return {
    name: 'nothing-leaked',
    see(evidence, scene) {
      if (evidence.kind === 'wanted') {
        const now = new Set(evidence.frame.machines.map(({ machine }) => machine))
        for (const machine of wanted.get(evidence.host) ?? []) {
          if (!now.has(machine)) unwantedSinceMs.set(machine, scene.now())
        }
        wanted.set(evidence.host, now)
      }
      if (evidence.kind === 'reported' && evidence.frame.facts !== undefined)
        offered.set(evidence.host, hullsIn(evidence.frame.facts.templates ?? []))
      if (evidence.kind === 'audited' && evidence.findings.length > 0) {
        return `the audit finds ${evidence.findings.join(', ')}`
      }
      if (evidence.kind !== 'tick' || scene.calmSinceMs === undefined) return undefined
      const sinceMs = scene.now() - GRACE_MS
      if (scene.calmSinceMs > sinceMs) return undefined
      for (const host of scene.hosts) {
        for (const { what, machine } of owned(host)) {
          if (wanted.get(host.id)?.has(machine) || offered.get(host.id)?.has(machine)) continue
          // What is booted to be frozen is never wanted, and comes and goes.
          if (!unwantedSinceMs.has(machine)) unwantedSinceMs.set(machine, scene.now())
          if ((unwantedSinceMs.get(machine) ?? 0) <= sinceMs) return `${host.id} still has ${what}, unwanted`
        }
      }
      return undefined
    },
  }
}

const owned = (host: SceneHost): readonly { readonly what: string; readonly machine: MachineId }[] => [
  ...host.things().flatMap(({ kind, name }) => {
    const machine = parseResourceName(host.id, name)
    return machine === undefined ? [] : [{ what: `${kind} ${name}`, machine }]
  }),
  ...host.records().map(({ machine }) => ({ what: `a record of ${machine}`, machine })),
]

const GRACE_MS = 60_000
