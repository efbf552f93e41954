/**
 * Which templates a host builds, serves and lets go of. Pure: `templatePlan(view) → plan`, asked every few seconds.
 *
 *   newest good one of a wanted key       serves; too old, it serves on until its successor is there
 *   any other of that key                 retires
 *   its key is no longer what its shape would be named (QEMU, kernel, tools … changed), or its image is gone: retires
 *   nobody wants it                       kept as long as there is room for it and it is not too old
 *   clones of it failed                   bad, at once
 *   retiring or bad, and no machine lives on it ─► removed
 *
 * One is built at a time, in room that the coordinator has reserved for it: the first wanted one that is missing or too
 * old. A key that failed is tried again later and later.
 */
import type {
  HostTemplate,
  ImageDigest,
  TemplateBlocked,
  TemplateId,
  TemplateShape,
} from '../../model/index.ts'
import type { Template } from '../drivers/driver.ts'

export interface TemplateLimits {
  readonly ageMsMax: number
  /** Of all templates of the host together. */
  readonly diskMiBMax: number
  /** Kept of all that serve together. */
  readonly hulls: number
}

/** A template that this host shall have, under the name that it would get now. */
export interface WantedKey {
  readonly key: string
  readonly shape: TemplateShape
  /** Room for its build is taken. */
  readonly reserved: boolean
}

export interface FailedBuilds {
  readonly count: number
  readonly lastAtMs: number
}

export interface TemplateView {
  /** Most wanted first. */
  readonly wanted: readonly WantedKey[]
  readonly present: readonly Template[]
  /** Template → the key its shape would get now; absent where this host can make none of it any more. */
  readonly keysNow: ReadonlyMap<TemplateId, string>
  readonly bad: ReadonlySet<TemplateId>
  readonly building: WantedKey | undefined
  /** By key. */
  readonly failed: ReadonlyMap<string, FailedBuilds>
  readonly images: ReadonlySet<ImageDigest>
  /** Wall clock. */
  readonly nowMs: number
  readonly limits: TemplateLimits
}

/** Of one that is there. */
export type TemplateState = Exclude<HostTemplate['state'], 'building' | 'waiting'>

export interface TemplatePlan {
  readonly build: WantedKey | undefined
  readonly remove: readonly TemplateId[]
  /** Key → the template that machines of it are cloned from. */
  readonly serve: ReadonlyMap<string, TemplateId>
  readonly states: ReadonlyMap<TemplateId, TemplateState>
  /** Why a wanted one is not built now. */
  readonly blocked: ReadonlyMap<string, TemplateBlocked>
}

/** After the n-th failure in a row, up to the last. */
const RETRY_AFTER_MS = [60_000, 5 * 60_000, 30 * 60_000, 2 * 3_600_000] as const

export function templatePlan(view: TemplateView): TemplatePlan {
  const serve = serving(view)
  const states = new Map(view.present.map((template) => [template.id, stateOf(view, serve, template)]))
  const spent = view.present.filter(({ id, clones }) => states.get(id) !== 'ready' && clones === 0)
  const { build, blocked, evicted } = nextBuild(view, serve, spent)
  return {
    build,
    remove: [...spent, ...evicted].map(({ id }) => id),
    serve,
    states,
    blocked,
  }
}

function serving(view: TemplateView): ReadonlyMap<string, TemplateId> {
  const newest = new Map<string, Template>()
  for (const template of view.present) {
    if (!isUsable(view, template)) continue
    const other = newest.get(template.key)
    if (other === undefined || other.builtAtMs < template.builtAtMs) newest.set(template.key, template)
  }
  return new Map([...newest].map(([key, { id }]) => [key, id]))
}

const isUsable = ({ bad, keysNow, images }: TemplateView, { id, key, shape }: Template): boolean =>
  !bad.has(id) && keysNow.get(id) === key && images.has(shape.image)

function stateOf(
  view: TemplateView,
  serve: ReadonlyMap<string, TemplateId>,
  template: Template,
): TemplateState {
  if (view.bad.has(template.id)) return 'bad'
  if (serve.get(template.key) !== template.id) return 'retiring'
  const wanted = view.wanted.some(({ key }) => key === template.key)
  return isTooOld(view, template) && !wanted ? 'retiring' : 'ready'
}

const isTooOld = ({ nowMs, limits }: TemplateView, { builtAtMs }: Template): boolean =>
  nowMs - builtAtMs > limits.ageMsMax

interface NextBuild {
  readonly build: WantedKey | undefined
  readonly blocked: ReadonlyMap<string, TemplateBlocked>
  /** Idle ones that nobody wants, which make way. */
  readonly evicted: readonly Template[]
}

function nextBuild(
  view: TemplateView,
  serve: ReadonlyMap<string, TemplateId>,
  spent: readonly Template[],
): NextBuild {
  const blocked = new Map<string, TemplateBlocked>()
  for (const wanted of view.wanted) {
    if (view.building?.key === wanted.key || isFresh(view, serve.get(wanted.key))) continue
    const evicted = evictions(view, spent, wanted)
    const reason = evicted === undefined ? 'disk' : obstacle(view, wanted)
    if (reason !== undefined) blocked.set(wanted.key, reason)
    else if (view.building === undefined) return { build: wanted, blocked, evicted: evicted ?? [] }
  }
  return { build: undefined, blocked, evicted: [] }
}

function isFresh(view: TemplateView, id: TemplateId | undefined): boolean {
  const template = view.present.find((one) => one.id === id)
  return template !== undefined && !isTooOld(view, template) && !template.stale
}

function obstacle(view: TemplateView, wanted: WantedKey): TemplateBlocked | undefined {
  const failed = view.failed.get(wanted.key)
  if (failed !== undefined && view.nowMs < failed.lastAtMs + pauseAfter(failed)) return 'failed'
  return wanted.reserved ? undefined : 'room'
}

const pauseAfter = ({ count }: FailedBuilds): number =>
  RETRY_AFTER_MS[Math.min(count, RETRY_AFTER_MS.length) - 1] ?? 0

/** What must go so that the budget holds with the new one; undefined if not enough can. */
function evictions(
  view: TemplateView,
  spent: readonly Template[],
  { key, shape }: WantedKey,
): readonly Template[] | undefined {
  const kept = view.present.filter((template) => !spent.includes(template))
  let overMiB = sum(kept) + diskGuessMiB(view, key, shape) - view.limits.diskMiBMax
  const wanted = new Set(view.wanted.map((one) => one.key))
  const idle = kept.filter((template) => template.clones === 0 && !wanted.has(template.key))
  const evicted: Template[] = []
  for (const template of idle.toSorted((a, b) => a.builtAtMs - b.builtAtMs)) {
    if (overMiB <= 0) break
    evicted.push(template)
    overMiB -= template.diskMiB
  }
  return overMiB <= 0 ? evicted : undefined
}

/** As large as the last one of that key, or all of its memory. */
const diskGuessMiB = ({ present }: TemplateView, key: string, { memoryMiB }: TemplateShape): number =>
  present.find((template) => template.key === key)?.diskMiB ?? memoryMiB

const sum = (templates: readonly Template[]): number =>
  templates.reduce((all, { diskMiB }) => all + diskMiB, 0)
