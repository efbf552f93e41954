/** What in a flavor's policy makes no sense: mistakes, which are refused, and what is without effect, which is said. */
import { buildsOf, idleOf, type PolicyKeys } from './config.ts'

export interface Mistake {
  readonly path: readonly (string | number)[]
  readonly message: string
}

type Rules = Pick<PolicyKeys, 'idle_count' | 'idle_count_min' | 'idle_scale_factor'>
type Path = Mistake['path']

const DOCKER_MACHINE: readonly (keyof PolicyKeys)[] = [
  'idle',
  'idle_count',
  'idle_count_min',
  'idle_scale_factor',
  'idle_time_s',
  'max_growth_rate',
  'max_builds',
  'autoscaling',
]

/** Contradictions of a flavor that may have `limit` machines. */
export function mistakesOf(keys: PolicyKeys, limit: number): readonly Mistake[] {
  const base = { ...keys, idle_count: idleOf(keys) }
  const both = keys.idle !== undefined && keys.idle_count !== undefined
  const mixed = keys.autoscaler ? DOCKER_MACHINE.filter((key) => keys[key] !== undefined) : []
  return [
    ...(both ? [{ path: ['idle'], message: 'is the short name of idle_count: write one of them' }] : []),
    ...mixed.map((key) => ({ path: [key], message: 'is Docker Machine’s, and does not go with autoscaler' })),
    ...sharedMachine(keys),
    ...aboveLimit(base, limit, [keys.idle === undefined ? 'idle_count' : 'idle']),
    ...minAboveCount(base, ['idle_count_min']),
    ...(keys.autoscaling ?? []).flatMap((each, index) => [
      ...aboveLimit(each, limit, ['autoscaling', index, 'idle_count']),
      ...minAboveCount(each, ['autoscaling', index, 'idle_count_min']),
    ]),
    ...(keys.autoscaler?.policy ?? []).flatMap((each, index) =>
      aboveLimit(each, limit, ['autoscaler', 'policy', index, 'idle_count']),
    ),
  ]
}

/** What a job leaves in its machine, the next one finds: files, processes, and the key to log in with. */
function sharedMachine(keys: PolicyKeys): readonly Mistake[] {
  if (buildsOf(keys) === 1 || keys.isolation === 'waived') return []
  const path = keys.max_builds === undefined ? ['autoscaler', 'max_use_count'] : ['max_builds']
  const message =
    'must be 1: a machine serves one job and is destroyed, which is what keeps jobs apart. Where the jobs of a trust domain may see what earlier ones left, write isolation = "waived"'
  return [{ path, message }]
}

const aboveLimit = ({ idle_count: count = 0 }: Rules, limit: number, path: Path): readonly Mistake[] =>
  count > limit ? [{ path, message: 'is above the limit' }] : []

const minAboveCount = (
  { idle_count: count = 0, idle_count_min: min = 0 }: Rules,
  path: Path,
): readonly Mistake[] =>
  min > count ? [{ path, message: `is above idle_count (${count}), which is the most there is kept` }] : []

/** What is written without effect, a sentence each. */
export function idleWords(keys: PolicyKeys): readonly string[] {
  const { autoscaling = [], autoscaler } = keys
  const policies = autoscaler?.policy ?? []
  return [
    ...(keys.isolation === 'waived' && buildsOf(keys) === 1
      ? ['isolation has no effect: max_builds is 1']
      : []),
    ...machineWords('', { ...keys, idle_count: idleOf(keys) }),
    ...autoscaling.flatMap((each, index) => machineWords(`autoscaling[${index}].`, each)),
    ...hidden('autoscaling', autoscaling),
    ...hidden(
      'autoscaler.policy',
      policies.map(({ periods }) => ({ periods: periods ?? ALWAYS })),
    ),
    ...policies.flatMap((each, index) => taskscalerWords(`autoscaler.policy[${index}].`, each)),
  ]
}

const ALWAYS = [{ always: true }]

function machineWords(
  at: string,
  { idle_count: count, idle_count_min: min, idle_scale_factor: factor }: Rules,
) {
  return [
    ...(min && !factor ? [`${at}idle_count_min has no effect without idle_scale_factor`] : []),
    ...(factor && !count
      ? [`${at}idle_scale_factor has no effect: idle_count, the most there is kept, is 0`]
      : []),
  ]
}

function taskscalerWords(at: string, policy: NonNullable<PolicyKeys['autoscaler']>['policy'][number]) {
  const { scale_factor: factor, scale_factor_limit: limit, preemptive_mode: preemptive } = policy
  return [
    ...(factor > 0 && factor <= 1
      ? [`${at}scale_factor adds nothing up to 1: it is of all machines, those in use included`]
      : []),
    ...(limit > 0 && factor === 0 ? [`${at}scale_factor_limit has no effect without scale_factor`] : []),
    ...(preemptive && policy.idle_count === 0
      ? [`${at}preemptive_mode has no effect with an idle_count of 0`]
      : []),
  ]
}

/** The last that matches holds, so that nothing before one that always matches ever does. */
function hidden(key: string, list: readonly { readonly periods: readonly { readonly always: boolean }[] }[]) {
  const last = list.findLastIndex(({ periods }) => periods.some(({ always }) => always))
  return list
    .slice(0, Math.max(0, last))
    .map((_, index) => `${key}[${index}] never holds: ${key}[${last}] always does`)
}
