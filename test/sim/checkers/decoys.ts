import type { MakeChecker } from '../evidence.ts'

/** What is not ours is never touched, however much its name looks like ours. */
export const decoys: MakeChecker = () => ({
  name: 'decoys',
  see(evidence, scene) {
    if (evidence.kind !== 'tick') return undefined
    for (const host of scene.hosts) {
      const there = new Set(host.things().map(({ kind, name }) => `${kind}/${name}`))
      const gone = host.decoys.find((decoy) => !there.has(decoy))
      if (gone !== undefined) return `${gone} on ${host.id} is not ours and is gone`
    }
    return undefined
  },
})
