import type { MachineId } from '../../../src/model/index.ts'
import type { MakeChecker } from '../evidence.ts'

/** A machine that was named when nothing had gone wrong for a while neither fails in the making nor is lost. */
export const calmIsCalm: MakeChecker = () => {
  const named = new Map<MachineId, number>()
  return {
    name: 'calm-is-calm',
    see(evidence, scene) {
      if (evidence.kind === 'wanted') {
        for (const { machine } of evidence.frame.machines) {
          if (!named.has(machine)) named.set(machine, scene.now())
        }
      }
      if (evidence.kind !== 'logged' || scene.calmSinceMs === undefined) return undefined
      const machine = /^\w+ (?:machine_failed|machine_lost|machine_suspect) .*?"(m-\w+)"/.exec(
        evidence.text,
      )?.[1]
      for (const [each, atMs] of named) {
        if (each === machine && atMs > scene.calmSinceMs + SETTLE_MS) return `for no reason: ${evidence.text}`
      }
      return undefined
    },
  }
}

/** Until a coordinator and agents that were just started know of each other. */
const SETTLE_MS = 20_000
