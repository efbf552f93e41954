/**
 * Jobs that wait, per pool. The coordinator is told of no more of them than could have machines at a time: whoever
 * stands behind those can neither be served in a turn nor change what it decides, and a day may queue thousands.
 */
import type { Flavor, FlavorName } from '../../model/index.ts'
import { roomFor } from '../placement/embedded.ts'
import type { Replay } from './replay.ts'
import type { TraceJob } from './trace.ts'

interface Queue {
  readonly jobs: TraceJob[]
  /** How many of `jobs` are over: cheaper than to shift each. */
  first: number
  /** Told of, and not served yet. */
  told: number
}

export class Queues {
  readonly #mostOf: ReadonlyMap<FlavorName, number>
  readonly #queues = new Map<string, Queue>()

  constructor({ flavors, hosts }: Pick<Replay, 'flavors' | 'hosts'>) {
    this.#mostOf = new Map(flavors.map((flavor) => [flavor.name, mostOf(flavor, hosts)]))
  }

  push(job: TraceJob): void {
    this.#of(job).jobs.push(job)
  }

  /** The next job of this one's pool that the coordinator should hear of. */
  next(like: TraceJob): TraceJob | undefined {
    const queue = this.#of(like)
    const job = queue.jobs[queue.first]
    if (!job || queue.told >= (this.#mostOf.get(like.flavor) ?? 0)) return undefined
    queue.first += 1
    queue.told += 1
    return job
  }

  /** A job of which the coordinator had heard has its machine. */
  served(job: TraceJob): void {
    this.#of(job).told -= 1
  }

  #of({ flavor, trustDomain }: TraceJob): Queue {
    const key = `${flavor} ${trustDomain}`
    const known = this.#queues.get(key)
    if (known) return known
    const made = { jobs: [], first: 0, told: 0 }
    this.#queues.set(key, made)
    return made
  }
}

/** How many machines of a flavor there can be at a time; one at least, so that what never fits is seen to wait. */
function mostOf(flavor: Flavor, hosts: Replay['hosts']): number {
  const need = roomFor(flavor)
  const fitting = hosts.map(({ capacity }) =>
    Math.min(
      capacity.vcpus / need.vcpus,
      capacity.memoryMiB / need.memoryMiB,
      capacity.diskMiB / need.diskMiB,
    ),
  )
  const most = fitting.reduce((sum, count) => sum + Math.floor(count), 0)
  return Math.max(1, Math.min(flavor.limit, most))
}
