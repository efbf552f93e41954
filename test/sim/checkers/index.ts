/** Every invariant of the whole system, one file each. */
import type { MakeChecker } from '../evidence.ts'
import { abandonedEnds } from './abandoned-ends.ts'
import { calmIsCalm } from './calm-is-calm.ts'
import { capacity } from './capacity.ts'
import { decoys } from './decoys.ts'
import { keptLease } from './kept-lease.ts'
import { keys } from './keys.ts'
import { limits } from './limits.ts'
import { lossIsTold } from './loss-is-told.ts'
import { madeOnce } from './made-once.ts'
import { nothingLeaked } from './nothing-leaked.ts'
import { oneBuild } from './one-build.ts'
import { oneLease } from './one-lease.ts'
import { poolSize } from './pool-size.ts'
import { progress } from './progress.ts'
import { requestsEnd } from './requests-end.ts'
import { stamps } from './stamps.ts'
import { suspect } from './suspect.ts'
import { templateServes } from './template-serves.ts'
import { unique } from './unique.ts'

export const checkers: readonly MakeChecker[] = [
  abandonedEnds,
  calmIsCalm,
  capacity,
  decoys,
  keptLease,
  keys,
  limits,
  lossIsTold,
  madeOnce,
  nothingLeaked,
  oneBuild,
  oneLease,
  poolSize,
  progress,
  requestsEnd,
  stamps,
  suspect,
  templateServes,
  unique,
]
