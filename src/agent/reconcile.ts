/**
 * What to do about each machine: a total table over what is wanted and what is there.
 *
 *   there \ wanted                          no         yes        yes, and made
 *   ───────────────────────────────────────────────────────────────────────────
 *   absent      nothing of it               –          create     lose
 *   half        resources, never finished   destroy    destroy    destroy
 *   creating    in the making, by us, now   destroy    –          destroy
 *   ready       its guest answers           destroy    –          –
 *   suspect     it missed a ping            destroy    –          –
 *   dead        failed, powered off,        destroy    clear      clear
 *               crashed or vanished
 *   clearing    dead, being removed         –          –          –
 *   buried      dead, nothing left          destroy    –          –
 *   destroying  unwanted, being removed     –          –          –
 *
 * Where it is not plain: `half` is destroyed even if wanted, and is `absent` in the next round. `creating` though made
 * means that the coordinator knows a guest under this name that we do not: two machines under one name must not be.
 * `clear` removes what is left but keeps the news, which is reported until the coordinator stops wanting the machine.
 * Of a `buried` one the news itself goes: `destroy` is fine with nothing to remove.
 */
import type { MachineId, MachineSpec, WantedMachine } from '../model/index.ts'

export type Observed =
  | 'absent'
  | 'half'
  | 'creating'
  | 'ready'
  | 'suspect'
  | 'dead'
  | 'clearing'
  | 'buried'
  | 'destroying'

export type Action =
  | { readonly kind: 'destroy' | 'clear'; readonly machine: MachineId }
  | { readonly kind: 'create' | 'lose'; readonly machine: MachineId; readonly spec: MachineSpec }

type Wish = 'unwanted' | 'wanted' | 'made'
type Cell = Action['kind'] | '-'

const table = {
  absent: { unwanted: '-', wanted: 'create', made: 'lose' },
  half: { unwanted: 'destroy', wanted: 'destroy', made: 'destroy' },
  creating: { unwanted: 'destroy', wanted: '-', made: 'destroy' },
  ready: { unwanted: 'destroy', wanted: '-', made: '-' },
  suspect: { unwanted: 'destroy', wanted: '-', made: '-' },
  dead: { unwanted: 'destroy', wanted: 'clear', made: 'clear' },
  clearing: { unwanted: '-', wanted: '-', made: '-' },
  buried: { unwanted: 'destroy', wanted: '-', made: '-' },
  destroying: { unwanted: '-', wanted: '-', made: '-' },
} as const satisfies Record<Observed, Record<Wish, Cell>>

/** Room is made before it is taken. */
const ORDER: readonly Action['kind'][] = ['destroy', 'clear', 'lose', 'create']

/** One round of actions that brings what is there nearer to what is wanted. Never called before a first wanted set. */
export function reconcile(
  wanted: ReadonlyMap<MachineId, WantedMachine>,
  observed: ReadonlyMap<MachineId, Observed>,
): readonly Action[] {
  const actions: Action[] = []
  for (const [machine, state] of observed) {
    if (wanted.has(machine)) continue
    const kind = table[state].unwanted
    if (kind !== '-') actions.push({ kind, machine })
  }
  for (const { machine, spec, made } of wanted.values()) {
    const kind = table[observed.get(machine) ?? 'absent'][made ? 'made' : 'wanted']
    if (kind === 'create' || kind === 'lose') actions.push({ kind, machine, spec })
    else if (kind !== '-') actions.push({ kind, machine })
  }
  return actions.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
}
