import type { LeaseView } from '../api/index.ts'
import type { HostTemplate } from '../model/index.ts'

type Missing = NonNullable<NonNullable<LeaseView['waiting']>['template']>
type Blocked = Extract<HostTemplate, { state: 'waiting' }>['reason']

/** "no template of debian yet: building, 40 %". */
export const missingTemplate = (flavor: string, { state, progressPercent, reason }: Missing): string =>
  `no template of ${flavor} yet: ${state === 'building' ? progress(progressPercent) : blocked(reason)}`

export const progress = (percent = 0): string => `building, ${Math.round(percent)} %`

/** Why one is not built now. */
export const blocked = (reason: Blocked | undefined): string => (reason ? words[reason] : 'waiting')

const words: Readonly<Record<Blocked, string>> = {
  room: 'waits for its turn and for room',
  disk: 'no disk for it, see [templates] disk_gib of agent.toml',
  failed: 'failed, tried again later; see the log of the agent',
  unable: 'this host can make none, see `slipway doctor`',
}
