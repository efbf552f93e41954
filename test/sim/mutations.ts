/**
 * Planted bugs: small mistakes of the kind people make, in the logic of leases, plan, reconcile and reaper. The
 * simulation is worth its time only if its seeds find them: `npm run sim -- --planted` prints what they found.
 */
import type { Mutation } from './plant.ts'

export const mutations: readonly Mutation[] = [
  {
    name: 'lease-restart-ttl',
    what: 'a restarted coordinator counts heartbeats from before: its downtime ends jobs',
    file: 'src/coordinator/restore.ts',
    from: 'store.liveLeases(now)',
    to: 'store.liveLeases(now - 10_000)',
  },
  {
    name: 'lease-served-forgotten',
    what: 'a granted machine is not remembered as used: found after a restart, it serves again',
    file: 'src/coordinator/lease-book.ts',
    from: "changes.push({ kind: 'served', served: { machine, host, spec } })",
    to: 'void { machine, host, spec }',
  },
  {
    name: 'lease-end-keeps-machine',
    what: 'the machine of an ended lease stays wanted',
    file: 'src/coordinator/lease-book.ts',
    from: 'this.#state.doom(machine, this.#ports.clock.now())',
    to: '',
  },
  {
    name: 'lease-key-after-end',
    what: 'the key of an ended lease is handed out while its machine still dies',
    file: 'src/coordinator/leases.ts',
    from: "if (lease.state !== 'granted') {",
    to: "if (lease.state === 'waiting') {",
  },
  {
    name: 'plan-dying-room',
    what: 'the room of a dying machine is given away before it is gone',
    file: 'src/coordinator/plan/room.ts',
    from: 'const free = freeRoom(capacity, all)',
    to: "const free = freeRoom(capacity, all.filter(({ machine }) => machine && draft.machines.get(machine)?.state !== 'doomed'))",
  },
  {
    name: 'plan-limit-off-by-one',
    what: 'a flavor gets one machine more than its limit',
    file: 'src/coordinator/plan/room.ts',
    from: 'return living + Math.max(dying, claimed) < flavor.limit',
    to: 'return living + Math.max(dying, claimed) <= flavor.limit',
  },
  {
    name: 'plan-suspect-ready',
    what: 'a machine whose guest does not answer is held as ready and granted',
    file: 'src/coordinator/observe.ts',
    from: "const state = held.state === 'leased' ? 'leased' : report.state",
    to: "const state = held.state === 'leased' ? 'leased' : 'ready'",
  },
  {
    name: 'plan-stale-report',
    what: 'a full report from before a machine was named says that the machine is gone',
    file: 'src/coordinator/fleet.ts',
    from: 'return compareStamps(stamp, { epoch: this.#epoch, generation: held.since }) >= 0',
    to: 'return compareStamps(stamp, { epoch: this.#epoch, generation: held.since }) >= -1_000_000',
  },
  {
    name: 'plan-generation-kept',
    what: 'a changed wanted set goes out under the stamp of the last one',
    file: 'src/coordinator/wanted.ts',
    from: 'if (host.dirty) host.generation += 1',
    to: 'if (host.dirty && host.generation === 0) host.generation += 1',
  },
  {
    name: 'plan-adopt-always',
    what: 'machines in any hello are taken over, also those this coordinator has removed',
    file: 'src/coordinator/fleet.ts',
    from: 'const trusted = !host.adopted && hello.database',
    to: 'const trusted = hello.database',
  },
  {
    name: 'reconcile-made-again',
    what: 'a machine that was ready once and is gone is made a second time under its name',
    file: 'src/agent/reconcile.ts',
    from: "absent: { unwanted: '-', wanted: 'create', made: 'lose' }",
    to: "absent: { unwanted: '-', wanted: 'create', made: 'create' }",
  },
  {
    name: 'reconcile-half-kept',
    what: 'what a killed agent left half made is kept, and never finished',
    file: 'src/agent/reconcile.ts',
    from: "half: { unwanted: 'destroy', wanted: 'destroy', made: 'destroy' }",
    to: "half: { unwanted: 'destroy', wanted: '-', made: '-' }",
  },
  {
    name: 'reconcile-suspect-kept',
    what: 'an unwanted machine whose guest does not answer is never destroyed',
    file: 'src/agent/reconcile.ts',
    from: "suspect: { unwanted: 'destroy', wanted: '-', made: '-' }",
    to: "suspect: { unwanted: '-', wanted: '-', made: '-' }",
  },
  {
    name: 'reconcile-old-stamp',
    what: 'a wanted set that was overtaken is obeyed',
    file: 'src/agent/allegiance.ts',
    from: 'if (compareStamps(stamp, ours.stamp) < 0) return',
    to: 'if (compareStamps(stamp, ours.stamp) < -1_000_000) return',
  },
  {
    name: 'reaper-never-twice',
    what: 'strays are remembered by another name than they are looked up by: none is ever removed',
    file: 'src/agent/reap.ts',
    from: 'seen: new Set(found.map(nameOf)),',
    to: 'seen: new Set(found.map(({ name }) => name)),',
  },
  {
    name: 'reaper-records-missed',
    what: 'records that belong to nothing are not looked for',
    file: 'src/agent/scan.ts',
    from: ', ...strays(scan.records, new Set(held.keys()))]',
    to: ']',
  },
  {
    name: 'reaper-loss-unseen',
    what: 'the end of a guest whose event was lost is never noticed',
    file: 'src/agent/scan.ts',
    from: 'this.#absent = new Set(absent)',
    to: '',
  },
  {
    name: 'reaper-takes-the-living',
    what: 'the reaper takes machines that wait to be told as lost for strays and forgets their records',
    file: 'src/agent/scan.ts',
    from: 'strays(scan.listed, owners)',
    to: 'strays(scan.listed, new Set())',
  },
]
