/**
 * An instance, as the runner calls it, is a lease of ours; this file translates one into the other. The name holds the
 * group, so that a plugin finds the machines of its group again and sees no others.
 */
import type { LeaseView } from '../../api/index.ts'
import { FLEETING_PREFIX, isId, type LeaseName, parseId } from '../../model/index.ts'

/** As the runner knows it; `deleted` makes it forget the instance. */
export type InstanceState = 'creating' | 'running' | 'deleted'

export interface Instance {
  readonly instance: LeaseName
  readonly state: InstanceState
}

/** A new instance of the group; `id` is unique and has no dots. */
export const instanceName = (group: string, id: string): LeaseName =>
  parseId('LeaseName', `${FLEETING_PREFIX}.${group}.${id}`)

/** `text` as an instance of the group, or undefined: it is another's, or nobody's. */
export function ofGroup(group: string, text: string): LeaseName | undefined {
  const [prefix, owner, id, ...more] = text.split('.')
  const ours =
    prefix === FLEETING_PREFIX && owner === group && id !== undefined && id !== '' && more.length === 0
  return ours && isId('LeaseName', text) ? text : undefined
}

/** A granted lease has a machine whose SSH server has answered with the pinned key: before that it is not granted. */
export const stateOf = ({ state }: Pick<LeaseView, 'state'>): InstanceState =>
  state === 'waiting' ? 'creating' : state === 'granted' ? 'running' : 'deleted'

/**
 * What the runner was told of each instance. It counts on two things: what it asked for is listed once before it is
 * over, or it waits for it for ever; and what is over is said to be so, or it keeps it for six more looks.
 *
 *   promised ──► listed ──► over ──(told REPEATS times)──► forgotten
 */
export class Told {
  readonly #instances = new Map<LeaseName, 'promised' | 'listed' | number>()

  /** The runner has been told that this instance will come. */
  promise(instance: LeaseName): void {
    this.#instances.set(instance, 'promised')
  }

  /** The runner wants it no more: nothing has to be said of it. */
  forget(instance: LeaseName): void {
    this.#instances.delete(instance)
  }

  /** What to tell now that `live` are the leases; `over` are those that have just been found to be gone. */
  next(live: readonly Instance[]): {
    readonly list: readonly Instance[]
    readonly over: readonly LeaseName[]
  } {
    const alive = new Set(live.map(({ instance }) => instance))
    const list = [...live]
    const over: LeaseName[] = []
    for (const [instance, told] of [...this.#instances]) {
      if (alive.has(instance)) continue
      list.push({ instance, state: told === 'promised' ? 'creating' : 'deleted' })
      if (told === 'listed') over.push(instance)
      this.#move(instance, told)
    }
    for (const instance of alive) this.#instances.set(instance, 'listed')
    return { list, over }
  }

  #move(instance: LeaseName, told: 'promised' | 'listed' | number): void {
    if (told === 'promised') this.#instances.set(instance, 'listed')
    else if (told === 'listed') this.#instances.set(instance, REPEATS)
    else if (told > 1) this.#instances.set(instance, told - 1)
    else this.#instances.delete(instance)
  }
}

/** An answer may be lost. */
const REPEATS = 3
