/**
 * The plan's part about templates: which of them each host shall have, and whose turn it is to be built.
 *
 * Wished are those of pools that keep idle machines, and of what was asked for lately. One is built at a time on a
 * host, in room of its own, when no job waits for a machine that is in the making there: a boot keeps a processor busy.
 * A job that lacks the room takes it. But what has been missing for `PATIENCE_MS` goes first: where jobs never pause,
 * each of them would boot for want of it.
 */
import {
  type HostFacts,
  type HostId,
  type HostTemplate,
  type MachineId,
  shapeKey,
  shapeOf,
  type TemplateShape,
} from '../../model/index.ts'
import { fits, roomFor } from '../placement/embedded.ts'
import type { Draft } from './draft.ts'
import { makePool, newestImage, type Pool, refusal, specFor } from './pool.ts'
import type { HeldBuild, Naming, UnbuildReason, Wish } from './view.ts'

/** What was asked for so long ago and not since needs no template. */
export const DEMAND_MS_MAX = 24 * 3_600_000
/** A template that no host lets come into being for longer goes before jobs. */
const PATIENCE_MS = 120_000
const WISHES_MAX = 64

/** Says what each host shall have templates of where that has changed. */
export function wish(draft: Draft): void {
  const pools = wishedPools(draft)
  for (const [host, facts] of draft.hosts) {
    if (!makesTemplates(facts)) continue
    const shapes = wishesOf(facts, pools)
    if (sameShapes(shapes, draft.wishes.get(host) ?? [])) continue
    draft.wish(host, shapes)
  }
}

/** What a host says of the templates of a shape. */
interface TemplateStanding {
  /** One serves, even if it is to be replaced. */
  readonly ready: boolean
  readonly building: boolean
  /** Why none is begun. */
  readonly waiting: Extract<HostTemplate, { state: 'waiting' }>['reason'] | undefined
}

/** By the shape's key. Remembered for as long as the host says the same: it is asked for each machine that is made. */
function standingOf(facts: HostFacts, key: string): TemplateStanding {
  const known = standings.get(facts) ?? standingsByKey(facts)
  standings.set(facts, known)
  return known.get(key) ?? standingFrom([])
}

const standings = new WeakMap<HostFacts, ReadonlyMap<string, TemplateStanding>>()

const standingsByKey = ({ templates = [] }: HostFacts): ReadonlyMap<string, TemplateStanding> =>
  new Map(
    [...Map.groupBy(templates, ({ shape }) => shapeKey(shape))].map(([key, same]) => [
      key,
      standingFrom(same),
    ]),
  )

function standingFrom(same: readonly HostTemplate[]): TemplateStanding {
  const blocked = same.find((one) => one.state === 'waiting')
  return {
    ready: same.some(({ state }) => state === 'ready'),
    building: same.some(({ state }) => state === 'building'),
    waiting: blocked?.reason,
  }
}

/** Why a build that stands in its room should give it back; undefined: it goes on. */
export function buildIsOver(draft: Draft, build: HeldBuild): UnbuildReason | undefined {
  const facts = draft.hosts.get(build.host)
  if (!facts || build.state === 'over') return undefined
  const key = shapeKey(build.shape)
  if (!draft.wishes.get(build.host)?.some(({ shape }) => shapeKey(shape) === key)) return 'unwanted'
  const { ready, building, waiting } = standingOf(facts, key)
  if (!build.heard || building || waiting === 'room') return undefined
  if (waiting !== undefined) return 'blocked'
  return ready ? 'done' : undefined
}

export interface Due {
  readonly host: HostId
  readonly shape: TemplateShape
  readonly overdue: boolean
}

/** Templates that might be begun now, one a host at most: the one that most jobs wait for, then the most wanted. */
export function dueTemplates(draft: Draft): readonly Due[] {
  const busy = new Set(draft.builds().map(({ host }) => host))
  const due: Due[] = []
  for (const [host, facts] of draft.hosts) {
    if (busy.has(host) || !makesTemplates(facts)) continue
    const wishes = (draft.wishes.get(host) ?? []).filter(({ shape }) => isDue(facts, shape))
    const first = mostAwaited(draft, facts, wishes)
    if (first) due.push({ host, shape: first.shape, overdue: isOverdue(draft, facts, first) })
  }
  return due
}

/** A machine that nobody waits for is not booted where it can soon be cloned. */
export function isTemplateComing(draft: Draft, host: HostId, shape: TemplateShape): boolean {
  const facts = draft.hosts.get(host)
  const key = shapeKey(shape)
  const wished = draft.wishes.get(host)?.some((one) => shapeKey(one.shape) === key)
  if (!facts || !wished || !makesTemplates(facts)) return false
  const { ready, building } = standingOf(facts, key)
  const begun = draft.builds().some((build) => build.host === host && shapeKey(build.shape) === key)
  return !ready && (building || begun || isDue(facts, shape))
}

export const isWarm = (draft: Draft, host: HostId, shape: TemplateShape): boolean => {
  const facts = draft.hosts.get(host)
  return facts !== undefined && standingOf(facts, shapeKey(shape)).ready
}

/** One of the host's hulls that a machine of this shape may be launched from, and none `named` is. */
export function hullFor(
  draft: Draft,
  host: HostId,
  { shape, named }: { readonly shape: TemplateShape; readonly named: readonly Naming[] },
): MachineId | undefined {
  const key = shapeKey(shape)
  const taken = new Set(named.map(({ hull }) => hull))
  for (const template of draft.hosts.get(host)?.templates ?? []) {
    if (template.state !== 'ready' || shapeKey(template.shape) !== key) continue
    const hull = template.hulls.find((one) => !taken.has(one) && draft.machines.get(one) === undefined)
    if (hull !== undefined) return hull
  }
  return undefined
}

/** It has been missing for so long that jobs no longer go before it. */
export function isOverdueBuild(draft: Draft, { host, shape }: HeldBuild): boolean {
  const facts = draft.hosts.get(host)
  const key = shapeKey(shape)
  const known = draft.wishes.get(host)?.find((one) => shapeKey(one.shape) === key)
  return facts !== undefined && known !== undefined && isOverdue(draft, facts, known)
}

const makesTemplates = ({ templates, cloning }: HostFacts): boolean =>
  templates !== undefined && cloning?.mode !== 'cold'

function wishedPools(draft: Draft): readonly Pool[] {
  const pools = new Map<string, Pool>()
  const add = (pool: Pool): void => void (pools.size < WISHES_MAX && pools.set(pool.key, pool))
  for (const pool of draft.idlePools()) add(pool)
  for (const { flavor: name, image, trustDomain, atMs } of draft.view.demands) {
    const flavor = draft.view.flavors.get(name)
    if (flavor && draft.now - atMs < DEMAND_MS_MAX) add(makePool(flavor, image, trustDomain))
  }
  const idle = (pool: Pool): number => Number(draft.idleTarget(pool) === 0)
  return [...pools.values()].sort((a, b) => idle(a) - idle(b) || (a.key < b.key ? -1 : 1))
}

function wishesOf(facts: HostFacts, pools: readonly Pool[]): readonly TemplateShape[] {
  const shapes = new Map<string, TemplateShape>()
  for (const pool of pools) {
    const image = newestImage(facts, pool.image)
    if (!image || refusal(facts, pool, image) || !fits(facts.capacity, roomFor(pool.flavor))) continue
    const shape = shapeOf(specFor(pool, image))
    shapes.set(shapeKey(shape), shape)
  }
  return [...shapes.values()]
}

function isDue(facts: HostFacts, shape: TemplateShape): boolean {
  const { ready, building, waiting } = standingOf(facts, shapeKey(shape))
  return !building && (waiting === undefined ? !ready : waiting === 'room')
}

const isOverdue = (draft: Draft, facts: HostFacts, { shape, sinceMs }: Wish): boolean =>
  draft.now - sinceMs > PATIENCE_MS && !standingOf(facts, shapeKey(shape)).ready

function mostAwaited(draft: Draft, facts: HostFacts, wishes: readonly Wish[]): Wish | undefined {
  if (wishes.length < 2) return wishes[0]
  const waiting = new Map<string, number>()
  for (const { pool, count } of draft.awaitedPools()) {
    const image = newestImage(facts, pool.image)
    if (!image) continue
    const key = shapeKey(shapeOf(specFor(pool, image)))
    waiting.set(key, (waiting.get(key) ?? 0) + count)
  }
  const count = ({ shape }: Wish): number => waiting.get(shapeKey(shape)) ?? 0
  return wishes.toSorted((a, b) => count(b) - count(a))[0]
}

const sameShapes = (shapes: readonly TemplateShape[], wishes: readonly Wish[]): boolean =>
  shapes.length === wishes.length &&
  shapes.every((shape, n) => shapeKey(shape) === (wishes[n] && shapeKey(wishes[n].shape)))
