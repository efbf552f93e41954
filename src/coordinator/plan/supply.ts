/**
 * The plan's part about machines to come: who needs one, where it goes, and who must make room.
 * Jobs that wait come first, in order; then idle machines for pools that keep some, which never push anybody out.
 */
import type {
  Capacity,
  Failure,
  FlavorName,
  HostFacts,
  HostId,
  HostImage,
  MachineSpec,
} from '../../model/index.ts'
import { bestFit, NO_ROOM, plus, roomFor, shortOf } from '../placement/embedded.ts'
import { type Draft, oldestFirst, type Stock } from './draft.ts'
import { makePool, newestImage, type Pool, poolOf, specFor } from './pool.ts'
import { Room } from './room.ts'
import type { HeldMachine, Trouble } from './view.ts'

interface Supply {
  readonly draft: Draft
  readonly room: Room
  /** Machines in the making that nobody waits for: the first to go when room is short. */
  readonly spare: Set<HeldMachine>
  /** Pools for which nothing more can be done in this turn, and why. */
  readonly exhausted: Map<string, Failure>
  /** Machines named in this turn. */
  readonly named: { readonly host: HostId; readonly spec: MachineSpec }[]
}

/** Names new machines, dooms idle ones for the room of jobs that wait, says of each waiting lease why it waits. */
export function supply(draft: Draft): void {
  const room = new Room(draft)
  const queues = queueUp(draft)
  const state: Supply = { draft, room, spare: spareMaking(draft), exhausted: new Map(), named: [] }
  const positions = new Map<string, number>()
  for (const lease of draft.waiting) {
    const flavor = draft.view.flavors.get(lease.flavor)
    if (!flavor) continue
    const pool = poolOf(lease, flavor)
    const { key } = pool
    const position = (positions.get(key) ?? 0) + 1
    positions.set(key, position)
    const making = queues.get(key)?.making ?? 0
    const reason = position <= making ? undefined : supplyLease(state, pool)
    draft.steps.push({
      do: 'wait',
      lease: lease.id,
      position,
      making,
      ...(reason ? { reason } : {}),
    })
  }
  for (const pool of idlePools(draft)) supplyIdle(state, pool)
  for (const { id } of room.spares()) draft.steps.push({ do: 'drop', reservation: id })
}

interface Queue {
  waiting: number
  readonly making: number
}

function queueUp(draft: Draft): Map<string, Queue> {
  const queues = new Map<string, Queue>()
  for (const lease of draft.waiting) {
    const flavor = draft.view.flavors.get(lease.flavor)
    if (!flavor) continue
    const pool = poolOf(lease, flavor)
    const queue = queues.get(pool.key) ?? { waiting: 0, making: draft.stock(pool).making.length }
    queue.waiting += 1
    queues.set(pool.key, queue)
  }
  return queues
}

function spareMaking(draft: Draft): Set<HeldMachine> {
  const spare = new Set<HeldMachine>()
  for (const [, stock] of draft.stocks()) {
    const pool = stock.making[0] && draft.poolOf(stock.making[0])
    if (!pool) continue
    const wanted = draft.made(pool) + Math.max(0, draft.idleTarget(pool) - stock.ready.length)
    for (const machine of stock.making.slice(wanted)) spare.add(machine)
  }
  return spare
}

function* idlePools(draft: Draft): Generator<Pool> {
  for (const flavor of draft.view.flavors.values()) {
    if (flavor.idle === 0 && !draft.view.standings.has(flavor.name)) continue
    for (const trustDomain of draft.view.domains.get(flavor.name) ?? []) {
      yield makePool(flavor, flavor.image, trustDomain)
    }
  }
}

function supplyIdle(supply: Supply, pool: Pool): void {
  const { draft, room } = supply
  const { ready, making }: Stock = draft.stock(pool)
  const missing = draft.idleTarget(pool) - ready.length - Math.max(0, making.length - draft.made(pool))
  for (let made = 0; made < missing; made += 1) {
    if (!room.underLimit(pool.flavor) || heldBack(supply, pool) || make(supply, pool)) return
  }
}

/** `undefined`: a machine was named for it. Else why not. */
function supplyLease(supply: Supply, pool: Pool): Failure | undefined {
  const known = supply.exhausted.get(pool.key)
  if (known) return known
  const { draft, room } = supply
  const { flavor } = pool
  const held: Failure | undefined = draft.onDemand(pool)
    ? heldBack(supply, pool)
    : { code: 'idle_only', args: { flavor: flavor.name } }
  if (held) {
    supply.exhausted.set(pool.key, held)
    return held
  }
  const possible = candidates(supply, pool).open.length > 0
  if (possible && !room.underLimit(flavor)) {
    const reason: Failure = { code: 'too_busy', args: { what: `flavor ${flavor.name}`, limit: flavor.limit } }
    while (!room.willBeUnderLimit(flavor) && doomOldest(supply, flavor.name));
    if (room.willBeUnderLimit(flavor)) room.claimLimit(flavor)
    else supply.exhausted.set(pool.key, reason)
    return reason
  }
  const reason = make(supply, pool)
  if (reason && !makeRoom(supply, pool)) supply.exhausted.set(pool.key, reason)
  return reason
}

/** Why the pool's policy makes no machine now. */
function heldBack({ draft, named }: Supply, pool: Pool): Failure | undefined {
  const flavor = pool.flavor.name
  const growth = draft.view.standings.get(flavor)?.growth
  if (growth === undefined) return undefined
  const taken = named.filter(({ spec }) => spec.flavor === flavor).length
  return taken < growth ? undefined : { code: 'growth_limited', args: { flavor } }
}

/** Names one machine of the pool where it fits best; else says what each host lacks. */
function make(supply: Supply, pool: Pool): Failure | undefined {
  const { draft, room } = supply
  const need = roomFor(pool.flavor)
  const { open, reasons, trouble } = candidates(supply, pool)
  const roomy = open.flatMap(({ host, image }) => {
    const candidate = room.host(host)
    return candidate && room.available(host, need) ? [{ ...candidate, image }] : []
  })
  const best = roomy.find(({ host }) => room.hasSpare(host, need)) ?? bestFit(roomy, need)
  if (best) {
    const { host, image } = best
    const spec = specFor(pool, image)
    const spare = room.take(host, pool.flavor.name, need)
    supply.named.push({ host, spec })
    draft.steps.push(spare ? { do: 'name', reservation: spare.id, spec } : { do: 'reserve', host, spec })
    return undefined
  }
  if (draft.hosts.size === 0) return { code: 'no_host', args: {} }
  const full = open.flatMap(({ host }) => room.host(host) ?? []).map((each) => shortOf(each, need))
  if (full.length === 0 && trouble) return trouble.failure
  const detail = [...full, ...reasons].join('; ').slice(0, DETAIL_CHARS_MAX)
  return { code: 'no_capacity', args: { flavor: pool.flavor.name, detail } }
}

/** Waits for room that is coming, or dooms idle machines on the host where the fewest must go. True if either helps. */
function makeRoom(supply: Supply, pool: Pool): boolean {
  const { room } = supply
  const need = roomFor(pool.flavor)
  const { open } = candidates(supply, pool)
  const coming = open.find(({ host }) => room.willFit(host, need))
  const choice = coming ? { host: coming.host, victims: [] } : fewestVictims(supply, open, need)
  if (!choice) return false
  for (const machine of choice.victims) doomForRoom(supply, machine)
  room.claim(choice.host, pool.flavor, need)
  return true
}

function fewestVictims(
  supply: Supply,
  open: Candidates['open'],
  need: Capacity,
): { readonly host: HostId; readonly victims: readonly HeldMachine[] } | undefined {
  return open
    .flatMap(({ host }) => {
      const victims = victimsOn(supply, host, need)
      return victims ? [{ host, victims }] : []
    })
    .sort((a, b) => a.victims.length - b.victims.length)[0]
}

/** The first idle machines on `host` that must go for `need` to fit; `undefined` if all of them are not enough. */
function victimsOn(supply: Supply, host: HostId, need: Capacity): HeldMachine[] | undefined {
  const victims: HeldMachine[] = []
  let freed = NO_ROOM
  for (const machine of yielding(supply)) {
    if (machine.host !== host) continue
    victims.push(machine)
    freed = plus(freed, roomFor(machine.spec))
    if (supply.room.willFit(host, need, freed)) return victims
  }
  return undefined
}

/** Machines that yield to a job: those in the making that nobody waits for, then idle ones. A flavor's `idle` is a target. */
function yielding({ draft, spare }: Supply): HeldMachine[] {
  const ready = [...draft.stocks()].flatMap(([, stock]) => stock.ready)
  return [...[...spare].sort(oldestFirst), ...ready.sort(oldestFirst)]
}

/** False: none of the flavor is left that may go. */
function doomOldest(supply: Supply, flavor: FlavorName): boolean {
  const machine = yielding(supply).find(({ spec }) => spec.flavor === flavor)
  if (machine) doomForRoom(supply, machine)
  return machine !== undefined
}

function doomForRoom({ draft, room, spare }: Supply, machine: HeldMachine): void {
  draft.doom(machine, 'room')
  room.doomed(machine)
  spare.delete(machine)
}

interface Candidates {
  /** Hosts that could take the pool's machine if they had room. */
  readonly open: readonly { readonly host: HostId; readonly image: HostImage }[]
  /** Why others could not. */
  readonly reasons: readonly string[]
  readonly trouble: Trouble | undefined
}

function candidates(supply: Supply, pool: Pool): Candidates {
  const open: { host: HostId; image: HostImage }[] = []
  const reasons: string[] = []
  let worst: Trouble | undefined
  const { draft } = supply
  for (const [host, facts] of draft.hosts) {
    const image = newestImage(facts, pool.image)
    const trouble = image && resting(supply, host, image, pool)
    const reason = refusal(facts, pool, image)
    if (trouble) worst ??= trouble
    if (image && !reason && !trouble) open.push({ host, image })
    else reasons.push(`${host} ${reason ?? 'rests after failures'}`)
  }
  for (const { host, connected } of draft.view.hosts) if (!connected) reasons.push(`${host} is not connected`)
  return { open, reasons, trouble: worst }
}

function refusal(facts: HostFacts, pool: Pool, image: HostImage | undefined): string | undefined {
  if (!image) return `has no image ${pool.image}`
  if (facts.acceleration === 'emulated' && !pool.flavor.allowEmulation) {
    return `only emulates, which flavor ${pool.flavor.name} does not allow`
  }
  return undefined
}

/** After a failure a host rests; then one machine at a time shows whether it can again. */
function resting({ draft, named }: Supply, host: HostId, image: HostImage, pool: Pool): Trouble | undefined {
  const same = (spec: MachineSpec): boolean => spec.flavor === pool.flavor.name && spec.image === image.digest
  const trouble = draft.view.troubles.find(
    (each) => each.host === host && each.flavor === pool.flavor.name && each.image === image.digest,
  )
  if (!trouble) return undefined
  if (draft.now < trouble.untilMs) return trouble
  const trying =
    named.some((each) => each.host === host && same(each.spec)) ||
    [...draft.machines.values()].some(
      (each) =>
        each.host === host && same(each.spec) && (each.state === 'named' || each.state === 'creating'),
    )
  return trying ? trouble : undefined
}

const DETAIL_CHARS_MAX = 500
