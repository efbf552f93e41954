// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are source text
/** For each checker a system so wrong that it must cry out: a checker that has never failed proves nothing. */
import type { Mutation } from './plant.ts'

export interface Canary extends Mutation {
  /** Watches alone. */
  readonly checker: string
}

export const canaries: readonly Canary[] = [
  {
    name: 'canary-abandoned-ends',
    checker: 'abandoned-ends',
    what: 'no lease ever expires',
    file: 'src/coordinator/plan/plan.ts',
    from: 'endOverdue(draft)',
    to: '',
  },
  {
    name: 'canary-capacity',
    checker: 'capacity',
    what: 'every host has room for everything',
    file: 'src/coordinator/placement/embedded.ts',
    from: 'free.vcpus >= need.vcpus && free.memoryMiB >= need.memoryMiB && free.diskMiB >= need.diskMiB',
    to: 'free.vcpus === free.vcpus',
  },
  {
    name: 'canary-decoys',
    checker: 'decoys',
    what: 'a removal takes everything of its kind with it',
    file: 'src/agent/drivers/simulated/host.ts',
    from: 'this.#things.delete(`${kind}/${name}`)',
    to: 'for (const key of this.#things.keys()) if (key.startsWith(`${kind}/${name.slice(0, 3)}`)) this.#things.delete(key)',
  },
  {
    name: 'canary-kept-lease',
    checker: 'kept-lease',
    what: 'a lease lives for half its time',
    file: 'src/coordinator/plan/leases.ts',
    from: 'if (draft.now - lease.aliveAtMs <= lease.ttlMs) continue',
    to: 'if (draft.now - lease.aliveAtMs <= lease.ttlMs / 4) continue',
  },
  {
    name: 'canary-keys',
    checker: 'keys',
    what: 'the way into a machine is logged with the steps of its making',
    file: 'src/agent/keeper.ts',
    from: 'this.#ports.events.machineReady(machine, timeline)',
    to: 'this.#ports.events.machineReady(machine, [{ step: message.access.privateKey.reveal(), atMs: 0 }])',
  },
  {
    name: 'canary-limits',
    checker: 'limits',
    what: 'leases that hold machines are not counted',
    file: 'src/coordinator/plan/plan.ts',
    from: 'const draft = new Draft(view, now)',
    to: 'const draft = new Draft({ ...view, flavors: new Map([...view.flavors].map(([name, flavor]) => [name, { ...flavor, limit: flavor.limit + 2 }])) }, now)',
  },
  {
    name: 'canary-loss-is-told',
    checker: 'loss-is-told',
    what: 'the end of a guest is nobody’s business',
    file: 'src/agent/keeper.ts',
    from: 'lose({ machine, failure, consoleTail }: LastWords): void {',
    to: 'lose({ machine, failure, consoleTail }: LastWords): void {\n    if (machine) return',
  },
  {
    name: 'canary-made-once',
    checker: 'made-once',
    what: 'a machine that is gone is made again',
    file: 'src/agent/reconcile.ts',
    from: "made: 'lose' }",
    to: "made: 'create' }",
  },
  {
    name: 'canary-nothing-leaked',
    checker: 'nothing-leaked',
    what: 'the driver forgets the overlay',
    file: 'src/agent/drivers/simulated/driver.ts',
    from: "['namespace', 'overlay']",
    to: "['namespace']",
  },
  {
    name: 'canary-one-lease',
    checker: 'one-lease',
    what: 'nobody remembers which machines have served',
    file: 'src/coordinator/lease-book.ts',
    from: "changes.push({ kind: 'served', served: { machine, host, spec } })",
    to: 'void { machine, host, spec }',
  },
  {
    name: 'canary-pool-size',
    checker: 'pool-size',
    what: 'machines that nobody waits for are kept',
    file: 'src/coordinator/plan/plan.ts',
    from: 'trimSurplus(draft)',
    to: '',
  },
  {
    name: 'canary-progress',
    checker: 'progress',
    what: 'no machine is ever granted',
    file: 'src/coordinator/plan/plan.ts',
    from: '  grant(draft)',
    to: '',
  },
  {
    name: 'canary-requests-end',
    checker: 'requests-end',
    what: 'who waits is answered late',
    file: 'src/coordinator/leases.ts',
    from: 'const cancel = this.#ports.clock.after(waitMs, done)',
    to: 'const cancel = this.#ports.clock.after(waitMs + 10_000, done)',
  },
  {
    name: 'canary-stamps',
    checker: 'stamps',
    what: 'every set has the same stamp',
    file: 'src/coordinator/wanted.ts',
    from: 'if (host.dirty) host.generation += 1',
    to: 'if (host.dirty) host.generation = 1',
  },
  {
    name: 'canary-suspect',
    checker: 'suspect',
    what: 'what is said of a machine does not matter: it is ready',
    file: 'src/coordinator/observe.ts',
    from: "const state = held.state === 'leased' ? 'leased' : report.state",
    to: "const state = held.state === 'leased' ? 'leased' : 'ready'",
  },
  {
    name: 'canary-no-bug',
    checker: 'no-bug',
    what: 'a thing that cannot be happens',
    file: 'src/coordinator/turn.ts',
    from: 'this.#book.settle({ ends, grants })',
    to: "this.#book.settle({ ends, grants })\n    assert(grants.length === 0, 'planted')",
  },
]
