/**
 * The plan's part about machines to come: who needs one, where it goes, and who must make room.
 * Jobs that wait come first, in order; then idle machines for pools that keep some, which never push anybody out.
 */
import { type Failure, type HostId, hasOwnAutoscaler, shapeOf } from '../../model/index.ts'
import { bestFit, fits, isTaken, roomFor, shortOf } from '../placement/embedded.ts'
import { beginBuilds, beginOverdueBuilds, endBuilds } from './builds.ts'
import { type Candidates, candidates, type Named } from './candidates.ts'
import type { Draft } from './draft.ts'
import { type Pool, poolOf, specFor } from './pool.ts'
import { Room } from './room.ts'
import { hullFor, isTemplateComing, isWarm } from './templates.ts'
import type { HeldMachine, WaitingLease } from './view.ts'
import { fewestYielding, firstOfFlavor, type Ground, letGo } from './yield.ts'

/** Who has waited for longer keeps the room that becomes free on one host until it is enough. */
const HOLD_AFTER_MS = 60_000

interface Supply extends Ground {
  /** Pools for which nothing more can be done in this turn, and why. */
  readonly exhausted: Map<string, Failure>
  /** Hosts whose room a lease collects. */
  readonly held: Set<HostId>
  readonly named: Named[]
}

/** Names new machines, dooms idle ones for the room of jobs that wait, says of each waiting lease why it waits. */
export function supply(draft: Draft): void {
  const queues = queueUp(draft)
  let room: Room | undefined
  const state: Supply = {
    draft,
    // Reckoned when first asked for: in most turns nobody does, and it counts every machine.
    get room() {
      room ??= new Room(draft)
      return room
    },
    spare: spareMaking(draft),
    ending: new Set(),
    exhausted: new Map(),
    held: new Set(),
    named: [],
  }
  endBuilds(state)
  beginOverdueBuilds(state)
  const positions = new Map<string, number>()
  for (const lease of draft.waiting) {
    const flavor = draft.view.flavors.get(lease.flavor)
    if (!flavor) continue
    const pool = poolOf(lease, flavor)
    const { key } = pool
    const position = (positions.get(key) ?? 0) + 1
    positions.set(key, position)
    const making = queues.get(key)?.making.length ?? 0
    const reason = position <= making ? undefined : supplyLease(state, pool, lease)
    const wait = { do: 'wait', lease: lease.id, position, making } as const
    draft.steps.push(reason ? { ...wait, reason } : wait)
  }
  const awaited = [...queues.values()].flatMap(({ waiting, making }) => making.slice(0, waiting))
  beginBuilds(state, [...awaited, ...state.named])
  for (const pool of draft.idlePools()) supplyIdle(state, pool)
  if (room === undefined && draft.view.reservations.every(isTaken)) return
  for (const { id } of state.room.spares()) draft.steps.push({ do: 'drop', reservation: id })
}

interface Queue {
  waiting: number
  readonly making: readonly HeldMachine[]
}

function queueUp(draft: Draft): Map<string, Queue> {
  const queues = new Map<string, Queue>()
  for (const lease of draft.waiting) {
    const flavor = draft.view.flavors.get(lease.flavor)
    if (!flavor) continue
    const pool = poolOf(lease, flavor)
    const queue = queues.get(pool.key) ?? { waiting: 0, making: draft.stock(pool).making }
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

function supplyIdle(supply: Supply, pool: Pool): void {
  const { draft } = supply
  const { ready, making } = draft.stock(pool)
  const missing = draft.idleTarget(pool) - ready.length - Math.max(0, making.length - draft.made(pool))
  for (let made = 0; made < missing; made += 1) {
    if (!supply.room.underLimit(pool.flavor) || heldBack(supply, pool)) return
    if (make(supply, candidates(draft, supply.named, pool), 'idle')) return
  }
}

/** `undefined`: a machine was named for it. Else why not. */
function supplyLease(supply: Supply, pool: Pool, lease: WaitingLease): Failure | undefined {
  const { draft } = supply
  const { flavor } = pool
  if (!draft.onDemand(pool) && !hasOwnAutoscaler(lease)) {
    return { code: 'idle_only', args: { flavor: flavor.name } }
  }
  const known = supply.exhausted.get(pool.key)
  if (known) return known
  const held = heldBack(supply, pool)
  if (held) {
    supply.exhausted.set(pool.key, held)
    return held
  }
  const { room } = supply
  const possible = candidates(draft, supply.named, pool)
  if (possible.open.length > 0 && !room.underLimit(flavor)) {
    const reason: Failure = { code: 'too_busy', args: { what: `flavor ${flavor.name}`, limit: flavor.limit } }
    while (!room.willBeUnderLimit(flavor)) {
      const oldest = firstOfFlavor(supply, flavor.name)
      if (!oldest) break
      letGo(supply, [oldest], flavor.name)
    }
    if (room.willBeUnderLimit(flavor)) room.claimLimit(flavor)
    else supply.exhausted.set(pool.key, reason)
    return reason
  }
  const reason = make(supply, possible, 'job')
  if (!reason) return undefined
  const told = makeRoom(supply, possible)
  if (told !== undefined) return withDetail(reason, told)
  const waitedMs = draft.view.wallMs - lease.askedAtMs
  const host = waitedMs > HOLD_AFTER_MS ? hold(supply, possible) : undefined
  const final = host === undefined ? reason : withDetail(reason, `${host} keeps what becomes free for it`)
  supply.exhausted.set(pool.key, final)
  return final
}

/** Why the pool's policy makes no machine now. */
function heldBack({ draft, named }: Supply, pool: Pool): Failure | undefined {
  const flavor = pool.flavor.name
  const growth = draft.view.standings.get(flavor)?.growth
  if (growth === undefined) return undefined
  const taken = named.filter(({ spec }) => spec.flavor === flavor).length
  return taken < growth ? undefined : { code: 'growth_limited', args: { flavor } }
}

/**
 * Names one machine of the pool where it fits best, rather where it is cloned than where it boots; else says what each
 * host lacks. One that nobody waits for is not booted where a template is on its way.
 */
function make(supply: Supply, possible: Candidates, purpose: 'job' | 'idle'): Failure | undefined {
  const { draft, room } = supply
  const { pool, open, reasons, trouble } = possible
  const need = roomFor(pool.flavor)
  const roomy = open.flatMap(({ host, image }) => {
    const candidate = room.host(host)
    const spec = specFor(pool, image)
    if (!candidate || !room.available(host, need)) return []
    if (purpose === 'idle' && isTemplateComing(draft, host, shapeOf(spec))) return []
    return [{ ...candidate, spec, warm: isWarm(draft, host, shapeOf(spec)) }]
  })
  const warm = roomy.filter((each) => each.warm)
  const choice = warm.length > 0 ? warm : roomy
  const best = choice.find(({ host }) => room.hasSpare(host, need)) ?? bestFit(choice, need)
  if (best) {
    const { host, spec } = best
    const spare = room.take(host, pool.flavor.name, need)
    // A pool's machine has time, a job has not.
    const { named } = supply
    const hull = purpose === 'job' ? hullFor(draft, host, { shape: shapeOf(spec), named }) : undefined
    const naming = { spec, ...(hull && { hull }) }
    named.push({ host, ...naming })
    draft.steps.push(
      spare ? { do: 'name', reservation: spare.id, ...naming } : { do: 'reserve', host, ...naming },
    )
    return undefined
  }
  if (draft.hosts.size === 0) return { code: 'no_host', args: {} }
  const full = open.flatMap(({ host }) => room.host(host) ?? []).map((each) => shortOf(each, need))
  if (full.length === 0 && trouble) return trouble.failure
  const detail = [...full, ...reasons].join('; ').slice(0, DETAIL_CHARS_MAX)
  return { code: 'no_capacity', args: { flavor: pool.flavor.name, detail } }
}

/** Waits for room that is coming, or lets others go on the host where the fewest must. Says which; undefined: neither helps. */
function makeRoom(supply: Supply, { pool, open }: Candidates): string | undefined {
  const { room } = supply
  const need = roomFor(pool.flavor)
  const hosts = open.map(({ host }) => host)
  const coming = hosts.find((host) => room.willFit(host, need))
  const choice = coming ? { host: coming, all: [] } : fewestYielding(supply, hosts, need)
  if (!choice) return undefined
  letGo(supply, choice.all, pool.flavor.name)
  room.claim(choice.host, pool.flavor, need)
  return makingRoom(supply, choice.host)
}

/** The host that lacks least collects room for it from now on, which nobody who came later gets. */
function hold({ room, held }: Supply, { pool, open }: Candidates): HostId | undefined {
  const need = roomFor(pool.flavor)
  const [nearest] = open
    .flatMap(({ host }) => room.host(host) ?? [])
    .filter(({ host, capacity }) => !held.has(host) && fits(capacity, need))
    .sort((a, b) => b.free.memoryMiB - a.free.memoryMiB || (a.host < b.host ? -1 : 1))
  if (!nearest) return undefined
  held.add(nearest.host)
  room.claim(nearest.host, pool.flavor, need)
  return nearest.host
}

/** "h1 makes room: 2 machines of tiny are going". */
function makingRoom({ draft, ending }: Supply, host: HostId): string {
  const going = draft.machines.values().filter((each) => each.host === host && each.state === 'doomed')
  const machines = [...Map.groupBy(going, ({ spec }) => spec.flavor)].map(([flavor, all]) =>
    all.length === 1 ? `1 machine of ${flavor} is going` : `${all.length} machines of ${flavor} are going`,
  )
  const builds = draft.view.builds.filter((build) => build.host === host)
  const ends = builds.some((build) => build.state === 'over' || ending.has(build))
  return `${host} makes room: ${[...machines, ...(ends ? ['a template is not built'] : [])].join(', ')}`
}

const withDetail = ({ code, args }: Failure, more: string): Failure => {
  const { detail } = args
  if (detail === undefined) return { code, args }
  return { code, args: { ...args, detail: `${detail}; ${more}`.slice(0, DETAIL_CHARS_MAX) } }
}

const DETAIL_CHARS_MAX = 500
