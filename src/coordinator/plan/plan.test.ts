/** Safety of the plan, over drawn views. What it is meant to do in plain cases is told by the scenarios. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyView, NOW } from '../../../test/coordinator/any-view.ts'
import { follow } from '../../../test/coordinator/follow.ts'
import { type HostTemplate, shapeKey, shapeOf } from '../../model/index.ts'
import { fits, isTaken, minus, NO_ROOM, plus } from '../placement/embedded.ts'
import { plan } from './plan.ts'
import { fitsFlavor, newestImage } from './pool.ts'
import type { HeldMachine, Step, View } from './view.ts'

interface Case {
  readonly view: View
  readonly steps: readonly Step[]
  readonly after: View
}

type Property = (drawn: Case) => void

const of = <D extends Step['do']>(steps: readonly Step[], kind: D): Extract<Step, { do: D }>[] =>
  steps.filter((step): step is Extract<Step, { do: D }> => step.do === kind)

const machineOf = (view: View, id: HeldMachine['machine']): HeldMachine => {
  const machine = view.machines.find(({ machine }) => machine === id)
  if (!machine) throw new Error(`the view has no ${id}`)
  return machine
}

const used = (view: View, host: string) =>
  view.reservations
    .filter((each) => each.host === host && isTaken(each))
    .reduce((sum, { room }) => plus(sum, room), NO_ROOM)

const properties: Readonly<Record<string, Property>> = {
  'grants each lease one machine, and each machine once': ({ steps }) => {
    const grants = of(steps, 'grant')
    expect(new Set(grants.map(({ lease }) => lease)).size).toBe(grants.length)
    expect(new Set(grants.map(({ machine }) => machine)).size).toBe(grants.length)
  },

  'grants only what is ready, unleased and on a connected host': ({ view, steps }) => {
    for (const { machine } of of(steps, 'grant')) {
      const held = machineOf(view, machine)
      expect(held).toMatchObject({ state: 'ready' })
      expect(held.lease).toBeUndefined()
      expect(view.hosts.find(({ host }) => host === held.host)).toMatchObject({ connected: true })
    }
  },

  'grants a machine of the flavor, the image and the trust domain that was asked for': ({ view, steps }) => {
    for (const grant of of(steps, 'grant')) {
      const { spec, host } = machineOf(view, grant.machine)
      const lease = view.leases.find(({ id }) => id === grant.lease)
      const flavor = view.flavors.get(spec.flavor)
      const facts = view.hosts.find((each) => each.host === host)?.facts
      const image = facts?.images.find(({ digest }) => digest === spec.image)?.name
      expect(lease).toMatchObject({ flavor: spec.flavor, owner: { trustDomain: spec.trustDomain } })
      expect(image).toBe(lease?.image ?? flavor?.image)
      expect(flavor && fitsFlavor(spec, flavor)).toBe(true)
    }
  },

  'grants first to whoever waits longest': ({ view, steps }) => {
    const granted = new Set(of(steps, 'grant').map(({ lease }) => lease))
    const waits = new Set(of(steps, 'wait').map(({ lease }) => lease))
    const poolOf = ({ flavor, image, owner }: View['leases'][number]): string =>
      `${flavor} ${image ?? view.flavors.get(flavor)?.image} ${owner.trustDomain}`
    const passedOver = new Set<string>()
    for (const lease of view.leases) {
      if (waits.has(lease.id)) passedOver.add(poolOf(lease))
      if (granted.has(lease.id)) expect(passedOver).not.toContain(poolOf(lease))
    }
  },

  'has one answer for each lease that waits': ({ view, steps }) => {
    for (const { id, state } of view.leases) {
      const answers = steps.filter((step) => 'lease' in step && step.lease === id)
      if (state === 'waiting') expect(answers).toHaveLength(1)
      else expect(answers.length).toBeLessThanOrEqual(1)
    }
  },

  'says why a lease waits unless a machine is in the making for it': ({ view, steps, after }) => {
    const connected = new Set(view.hosts.filter((each) => each.connected).map(({ host }) => host))
    const making = after.machines.filter(
      ({ state, host }) => ['named', 'creating', 'suspect'].includes(state) && connected.has(host),
    )
    expect(of(steps, 'wait').filter(({ reason }) => !reason).length).toBeLessThanOrEqual(making.length)
  },

  'never takes room that a host has not': ({ view, after }) => {
    for (const { host, facts } of view.hosts) {
      const [before, now] = [used(view, host), used(after, host)]
      const taken = minus(now, before)
      if (taken.memoryMiB <= 0 || !facts) continue
      expect(fits(facts.capacity, now), `${host} ${JSON.stringify({ before, now })}`).toBe(true)
    }
  },

  'never makes more of a flavor than its limit, dying ones included': ({ view, after }) => {
    for (const { name, limit } of view.flavors.values()) {
      const count = (each: View): number => each.machines.filter(({ spec }) => spec.flavor === name).length
      if (count(after) > count(view)) expect(count(after)).toBeLessThanOrEqual(limit)
    }
  },

  'makes machines only where they can be made': ({ view, steps }) => {
    const rooms = new Map(view.reservations.map((each) => [each.id, each]))
    for (const step of steps) {
      if (step.do !== 'reserve' && step.do !== 'name') continue
      const on = step.do === 'reserve' ? step.host : rooms.get(step.reservation)?.host
      const host = view.hosts.find((each) => each.host === on)
      expect(host?.connected).toBe(true)
      const image = host?.facts?.images.find(({ digest }) => digest === step.spec.image)
      expect(host?.facts && image && newestImage(host.facts, image.name)).toEqual(image)
      if (!step.spec.allowEmulation) expect(host?.facts?.acceleration).toBe('hardware')
    }
  },

  'launches a hull once, where it lies, as a machine of its shape, and never under an id that is taken': ({
    view,
    steps,
  }) => {
    const rooms = new Map(view.reservations.map((each) => [each.id, each]))
    const launched = steps.flatMap((step) => {
      if ((step.do !== 'reserve' && step.do !== 'name') || step.hull === undefined) return []
      const { hull, spec } = step
      return [{ hull, spec, host: step.do === 'reserve' ? step.host : rooms.get(step.reservation)?.host }]
    })
    expect(new Set(launched.map(({ hull }) => hull)).size).toBe(launched.length)
    for (const { hull, spec, host } of launched) {
      const templates = view.hosts.find((each) => each.host === host)?.facts?.templates ?? []
      const shape = shapeKey(shapeOf(spec))
      expect(templates.filter((one) => shapeKey(one.shape) === shape)).toSatisfy((same: HostTemplate[]) =>
        same.some((one) => one.state === 'ready' && one.hulls.includes(hull)),
      )
      expect(view.machines.map(({ machine }) => machine)).not.toContain(hull)
    }
  },

  'lets a host rest after failures, and then tries one machine': ({ view, steps, after }) => {
    for (const { host, flavor, image, untilMs } of view.troubles) {
      const made = of(steps, 'reserve').filter(
        (step) => step.host === host && step.spec.flavor === flavor && step.spec.image === image,
      )
      expect(made.length).toBeLessThanOrEqual(NOW < untilMs ? 0 : 1)
      const making = after.machines.filter(
        (each) => each.host === host && each.spec.flavor === flavor && each.spec.image === image,
      )
      if (made.length > 0) expect(making.filter(({ state }) => state === 'named')).toHaveLength(1)
    }
  },

  'dooms no machine that a lease has, nor one it grants, nor one twice': ({ view, steps }) => {
    const doomed = of(steps, 'doom').map(({ machine }) => machine)
    expect(new Set(doomed).size).toBe(doomed.length)
    for (const id of doomed) expect(['leased', 'doomed']).not.toContain(machineOf(view, id).state)
    for (const { machine } of of(steps, 'grant')) expect(doomed).not.toContain(machine)
  },

  'dooms a machine in the making only when it is outdated, out of reach, or in the way of a job': ({
    view,
    steps,
  }) => {
    const waits = of(steps, 'wait').some(({ reason }) => reason)
    for (const { machine, why } of of(steps, 'doom')) {
      const { state } = machineOf(view, machine)
      if (state !== 'ready') expect(why).not.toBe('surplus')
      if (why === 'room') expect(waits).toBe(true)
    }
  },

  'begins one build at most on a host, where none was, of what is wished there': ({ view, after }) => {
    for (const { host } of view.hosts) {
      const on = (each: View) => each.builds.filter((build) => build.host === host)
      const begun = on(after).slice(on(view).length)
      if (begun.length === 0) continue
      expect([on(view).length, begun.length]).toEqual([0, 1])
      const wished = (after.wishes.get(host) ?? []).map(({ shape }) => shapeKey(shape))
      for (const { shape } of begun) expect(wished).toContain(shapeKey(shape))
    }
  },

  'wishes of no template that trust domains would share unless its flavor says so': ({ view, steps }) => {
    const shared = [...view.flavors.values()].filter(({ sharing }) => sharing !== 'trust-domain')
    for (const { shapes } of of(steps, 'wish')) {
      for (const { trustDomain, sharing, memoryMiB } of shapes) {
        expect(trustDomain === undefined).toBe(sharing !== 'trust-domain')
        if (trustDomain === undefined) expect(shared.map((each) => each.memoryMiB)).toContain(memoryMiB)
      }
    }
  },

  'leaves a pool its minimum when a job of another flavor lacks room': ({ view, steps }) => {
    const lost = of(steps, 'doom').flatMap(({ machine, why, for: flavor }) => {
      const held = machineOf(view, machine)
      return why === 'room' && held.state === 'ready' && held.spec.flavor !== flavor ? [held] : []
    })
    for (const { spec } of lost) {
      const flavor = view.flavors.get(spec.flavor)
      const { idle = 0, idleMin = 0 } = flavor ?? {}
      const kept = view.domains.get(spec.flavor)?.includes(spec.trustDomain) ? Math.min(idle, idleMin) : 0
      const granted = new Set(of(steps, 'grant').map(({ machine }) => machine))
      const gone = new Set(of(steps, 'doom').map(({ machine }) => machine))
      const left = view.machines.filter(
        (each) =>
          each.spec.flavor === spec.flavor &&
          each.spec.trustDomain === spec.trustDomain &&
          each.state === 'ready' &&
          !granted.has(each.machine) &&
          !gone.has(each.machine),
      )
      const flavorsOwn = flavor && left.filter((each) => fitsFlavor(each.spec, flavor))
      if (spec.image !== imageOfFlavor(view, spec)) continue
      expect(flavorsOwn?.length).toBeGreaterThanOrEqual(kept)
    }
  },

  'uses a free reservation for its own shape, or gives it back': ({ view, steps }) => {
    const free = view.reservations.filter((each) => !isTaken(each))
    const connected = new Set(view.hosts.filter((each) => each.connected).map(({ host }) => host))
    const dropped = of(steps, 'drop').map(({ reservation }) => reservation)
    const named = of(steps, 'name').map(({ reservation }) => reservation)
    expect(new Set([...dropped, ...named]).size).toBe(dropped.length + named.length)
    for (const { id, host } of free) {
      if (connected.has(host)) expect([...dropped, ...named]).toContain(id)
    }
    for (const { reservation, spec } of of(steps, 'name')) {
      const room = free.find(({ id }) => id === reservation)?.room
      expect(room?.memoryMiB).toBe(spec.memoryMiB + 256)
    }
  },

  'ends a lease whose front is silent, and no other live one': ({ view, steps }) => {
    const expired = of(steps, 'end').filter(({ end }) => end === 'expired')
    const silent = view.leases.filter(({ aliveAtMs, ttlMs }) => NOW - aliveAtMs > ttlMs)
    expect(expired.map(({ lease }) => lease).toSorted()).toEqual(silent.map(({ id }) => id).toSorted())
    for (const { lease } of of(steps, 'end').filter(({ end }) => end !== 'expired')) {
      expect(view.leases.find(({ id }) => id === lease)?.state).toBe('waiting')
    }
  },

  'is the same for the same view': ({ view, steps }) => {
    expect(plan(view, NOW)).toEqual(steps)
  },

  'comes to rest when nothing happens: at once, but for machines in room that was just made': ({ after }) => {
    let view = after
    for (let turn = 0; turn < 4; turn += 1) {
      const more = plan(view, NOW).filter((step) => step.do !== 'wait')
      if (more.length === 0) return
      for (const step of more) expect(['doom', 'reserve', 'name'], JSON.stringify(more)).toContain(step.do)
      for (const { why } of of(more, 'doom')) expect(why).toBe('room')
      view = follow(view, more)
    }
    expect.unreachable('the plan goes on and on')
  },
}

/** The version that a host has of the image its flavor names; another one's pool keeps nothing. */
const imageOfFlavor = (
  { hosts, flavors }: View,
  { flavor, image }: HeldMachine['spec'],
): string | undefined => {
  const named = hosts.flatMap(({ facts }) => facts?.images ?? []).find(({ digest }) => digest === image)
  return named?.name === flavors.get(flavor)?.image ? image : undefined
}

/** For each property a plan that breaks it. */
const saboteurs: Readonly<
  Record<keyof typeof properties, (steps: readonly Step[], view: View) => readonly Step[]>
> = {
  'grants each lease one machine, and each machine once': (steps) => [...steps, ...of(steps, 'grant')],
  'grants only what is ready, unleased and on a connected host': (steps, { machines }) =>
    grantInstead(
      steps,
      machines.find(({ state }) => state === 'suspect'),
    ),
  'grants a machine of the flavor, the image and the trust domain that was asked for': (
    steps,
    { machines },
  ) =>
    grantInstead(
      steps,
      machines.find(({ state }) => state === 'ready'),
    ),
  'grants first to whoever waits longest': (steps) =>
    swapLeases(steps, of(steps, 'grant')[0], of(steps, 'wait')[0]),
  'has one answer for each lease that waits': (steps) => steps.filter((step) => step.do !== 'wait'),
  'says why a lease waits unless a machine is in the making for it': (steps) =>
    steps.map((step) => (step.do === 'wait' ? { ...step, reason: undefined as never } : step)),
  'never takes room that a host has not': (steps) => [
    ...steps,
    ...Array(9).fill(of(steps, 'reserve')).flat(),
  ],
  'never makes more of a flavor than its limit, dying ones included': (steps) => [
    ...steps,
    ...Array(6).fill(of(steps, 'reserve')).flat(),
  ],
  'makes machines only where they can be made': (steps, { hosts }) =>
    steps.map((step) => (step.do === 'reserve' ? { ...step, host: hosts[0]?.host ?? step.host } : step)),
  'launches a hull once, where it lies, as a machine of its shape, and never under an id that is taken': (
    steps,
  ) => [...steps, ...of(steps, 'reserve').filter(({ hull }) => hull !== undefined)],
  'lets a host rest after failures, and then tries one machine': (
    steps,
    { troubles: [trouble], machines },
  ) => {
    const spec = machines.find((each) => each.spec.flavor === trouble?.flavor)?.spec
    return trouble && spec
      ? [...steps, { do: 'reserve', host: trouble.host, spec: { ...spec, image: trouble.image } }]
      : steps
  },
  'dooms no machine that a lease has, nor one it grants, nor one twice': (steps) => [
    ...steps,
    ...of(steps, 'grant').map(({ machine }): Step => ({ do: 'doom', machine, why: 'surplus' })),
  ],
  'dooms a machine in the making only when it is outdated, out of reach, or in the way of a job': (
    steps,
    { machines },
  ) => [
    ...steps,
    ...machines.flatMap(({ machine, state }): Step[] =>
      state === 'creating' ? [{ do: 'doom', machine, why: 'surplus' }] : [],
    ),
  ],
  'begins one build at most on a host, where none was, of what is wished there': (steps) => [
    ...steps,
    ...of(steps, 'build'),
  ],
  'wishes of no template that trust domains would share unless its flavor says so': (steps) =>
    steps.map((step) =>
      step.do === 'wish'
        ? {
            ...step,
            shapes: step.shapes.map(({ trustDomain: _, ...shape }) => ({ ...shape, sharing: 'host' })),
          }
        : step,
    ),
  'leaves a pool its minimum when a job of another flavor lacks room': (steps, { machines }) => [
    ...steps,
    ...machines.flatMap(({ machine, state }): Step[] =>
      state === 'ready' ? [{ do: 'doom', machine, why: 'room' }] : [],
    ),
  ],
  'uses a free reservation for its own shape, or gives it back': (steps) =>
    steps.filter((step) => step.do !== 'drop'),
  'ends a lease whose front is silent, and no other live one': (steps) =>
    steps.filter((step) => step.do !== 'end'),
  'is the same for the same view': (steps) => steps.toReversed(),
  'comes to rest when nothing happens: at once, but for machines in room that was just made': () => [],
}

const grantInstead = (steps: readonly Step[], other: HeldMachine | undefined): readonly Step[] =>
  steps.map((step) => (step.do === 'grant' && other ? { ...step, machine: other.machine } : step))

const swapLeases = (
  steps: readonly Step[],
  a: Extract<Step, { do: 'grant' }> | undefined,
  b: Extract<Step, { do: 'wait' }> | undefined,
): readonly Step[] =>
  a && b
    ? steps.map((step) =>
        step === a ? { ...a, lease: b.lease } : step === b ? { ...b, lease: a.lease } : step,
      )
    : steps

describe('the plan', () => {
  test.each(Object.entries(properties))('%s', (_, property) => {
    fc.assert(
      fc.property(anyView, (view) => {
        const steps = plan(view, NOW)
        property({ view, steps, after: follow(view, steps) })
      }),
      { numRuns: 300 },
    )
  })

  test.each(Object.entries(properties))('if it broke this, it would be found: %s', (name, property) => {
    const broken = fc.check(
      fc.property(anyView, (view) => {
        const steps = saboteurs[name]?.(plan(view, NOW), view) ?? []
        property({ view, steps, after: follow(view, steps) })
      }),
      { numRuns: 20_000, endOnFailure: true },
    )
    expect(broken.failed).toBe(true)
  })
})
