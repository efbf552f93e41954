/**
 * A group of machines, as the runner's autoscaler uses it: it says how many, the coordinator makes them. All that is to
 * be remembered are the leases, which the coordinator keeps; a new plugin of the same group goes on with them.
 */
import type { Client, LeaseView } from '../../api/index.ts'
import { connectSsh } from '../../guest/index.ts'
import {
  type Access,
  type Clock,
  errorTable,
  type HostId,
  type LeaseName,
  Secret,
  SlipwayError,
  within,
} from '../../model/index.ts'
import { type Instance, instanceName, ofGroup, stateOf, Told } from './instance.ts'
import { failureFields, type Log } from './log.ts'
import type { PluginConfig } from './plugin-config.ts'
import { AWAY, steady } from './steady.ts'

export interface GroupParts {
  readonly config: PluginConfig
  readonly client: Client
  readonly clock: Clock
  readonly log: Log
  /** Makes names: unique, without dots. */
  readonly newId: () => string
}

/** The runner's own loop stands still while it waits for one of these. */
const LIST_MS = 5_000
const CHANGE_MS = 10_000
/** A host whose agent restarts tells of its machines again within seconds. */
const ACCESS_MS = 30_000
const PROBE_MS = 10_000
const INCREASE_MAX = 1_000
/** Calls under way at once. */
const LANES = 16

export class Group {
  /** As `plugin_config` has it. */
  readonly name: string
  readonly #config: PluginConfig
  readonly #clock: Clock
  readonly #log: Log
  readonly #newId: () => string
  readonly #client: Client
  readonly #told = new Told()
  /** Asked for by this plugin, and not yet told to run: nothing can be in them. */
  readonly #unused = new Set<LeaseName>()

  constructor({ config, client, clock, log, newId }: GroupParts) {
    this.name = config.group
    this.#config = config
    this.#client = client
    this.#clock = clock
    this.#log = log
    this.#newId = newId
  }

  /** All live leases of this group. */
  async leases(signal: AbortSignal): Promise<readonly LeaseView[]> {
    const { leases } = await this.#within(LIST_MS).call('leaseList', { signal })
    return leases.filter(({ name }) => ofGroup(this.#config.group, name) !== undefined)
  }

  async update(signal: AbortSignal): Promise<readonly Instance[]> {
    const live = await this.leases(signal)
    const { list, over } = this.#told.next(
      live.map((lease) => ({ instance: lease.name, state: stateOf(lease) })),
    )
    for (const { instance, state } of list) if (state !== 'creating') this.#unused.delete(instance)
    for (const instance of over) await this.#sayWhy(instance, signal)
    return list
  }

  /** Asks for `n` more and does not wait for them; gives how many will come. */
  async increase(n: number, signal: AbortSignal): Promise<number> {
    const { group, flavor, image, ttlMs } = this.#config
    const client = this.#within(CHANGE_MS)
    const names = Array.from({ length: Math.min(n, INCREASE_MAX) }, () => instanceName(group, this.#newId()))
    const body = { flavor, ttlMs, ...(image === undefined ? {} : { image }) }
    const asked = await this.#each(names, 'asking for a machine', async (name) => {
      await client.call('leaseAsk', { body: { ...body, name }, signal })
      this.#told.promise(name)
      this.#unused.add(name)
    })
    return asked.length
  }

  /** Gives machines back; what is gone already is as good. Gives those that need not be asked for again. */
  async decrease(instances: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    const client = this.#within(CHANGE_MS)
    const own = instances.flatMap((text) => ofGroup(this.#config.group, text) ?? [])
    if (own.length < instances.length)
      this.#log.warn('asked to remove instances that are not of this group', {
        count: instances.length - own.length,
      })
    return this.#each(own, 'giving a machine back', async (lease) => {
      await client.call('leaseRelease', { params: { lease }, signal }).catch(ignoreGone)
      this.#told.forget(lease)
      this.#unused.delete(lease)
    })
  }

  /** The runner stops: what nobody has used goes, the rest stays for its successor. */
  async shutdown(signal: AbortSignal): Promise<void> {
    await this.decrease([...this.#unused], signal)
  }

  /** Nobody shall be let into this machine any more; the runner is told that the instance is over. */
  async condemn(instance: string, signal: AbortSignal): Promise<void> {
    const params = { lease: this.#own(instance) }
    await this.#within(CHANGE_MS).call('leaseRelease', { params, signal }).catch(ignoreGone)
  }

  /** How to reach the instance's machine; only its lease's owner may know, only while it is granted. */
  async access(instance: string, signal: AbortSignal): Promise<Access> {
    const passing = new Set([...AWAY, 'host_away' as const])
    const client = steady(this.#client, { clock: this.#clock, patienceMs: ACCESS_MS, passing })
    const params = { lease: this.#own(instance) }
    const { privateKey, ...access } = await client.call('leaseAccess', { params, signal })
    return { ...access, privateKey: new Secret(privateKey) }
  }

  /** Whose machine the instance is; undefined while it has none. */
  async hostOf(instance: string, signal: AbortSignal): Promise<HostId | undefined> {
    const params = { lease: this.#own(instance) }
    return (await this.#within(LIST_MS).call('leaseGet', { params, signal })).host
  }

  /** Throws what is wrong with the instance: its lease is over, or nobody opens its door. */
  async probe(instance: string, signal: AbortSignal): Promise<void> {
    const access = await this.access(instance, signal)
    const done = new AbortController()
    const limit = { step: `SSH to ${instance}`, deadlineMs: PROBE_MS, signal }
    const answer = within(limit, async (inner) => {
      const either = AbortSignal.any([inner, done.signal])
      using _ = await connectSsh({ access, machine: instance, signal: either })
    })
    try {
      const over = this.#over(instance, AbortSignal.any([signal, done.signal]))
      await Promise.race([answer, over.then((why) => (why === undefined ? answer : Promise.reject(why)))])
    } finally {
      done.abort(new SlipwayError('cancelled', { what: 'the probe' }))
      await answer.catch(() => undefined)
    }
  }

  /** Why the instance is over, as soon as its host knows: long before a connection times out. */
  async #over(instance: string, signal: AbortSignal): Promise<SlipwayError | undefined> {
    const query = { waitMs: PROBE_MS, state: 'granted' } as const
    const lease = this.#own(instance)
    try {
      const view = await this.#client.call('leaseGet', { params: { lease }, query, signal })
      if (view.state !== 'ended') return undefined
      const { code, args } = view.failure ?? { code: 'not_granted', args: { lease, state: view.state } }
      return new SlipwayError(code, args)
    } catch {
      // Its machine may be well all the same.
      return undefined
    }
  }

  /** Shows the coordinator that these leases are in use. */
  async touch(leases: readonly LeaseView[], signal: AbortSignal): Promise<void> {
    const client = this.#within(CHANGE_MS)
    const names = leases.map(({ name }) => name)
    await this.#each(names, 'keeping a lease alive', async (lease) => {
      await client.call('leaseHeartbeat', { params: { lease }, signal }).catch(ignoreGone)
    })
  }

  #own(instance: string): LeaseName {
    const name = ofGroup(this.#config.group, instance)
    if (name !== undefined) return name
    throw new SlipwayError('not_found', { kind: 'instance', name: instance.slice(0, NAME_CHARS_MAX) })
  }

  #within(patienceMs: number): Client {
    return steady(this.#client, { clock: this.#clock, patienceMs })
  }

  /** `act` on each; gives those that went well. Throws what went wrong when none did. */
  async #each(
    names: readonly LeaseName[],
    doing: string,
    act: (name: LeaseName) => Promise<void>,
  ): Promise<readonly LeaseName[]> {
    const done: LeaseName[] = []
    let failure: unknown
    const inbox = [...names]
    const lane = async (): Promise<void> => {
      for (let name = inbox.shift(); name !== undefined; name = inbox.shift()) {
        try {
          await act(name)
          done.push(name)
        } catch (error) {
          failure ??= error
          // The next one would fail in the same way, and take as long.
          if (!(error instanceof SlipwayError) || errorTable[error.code].blame === 'system') inbox.length = 0
        }
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    if (failure === undefined) return done
    if (done.length === 0) throw failure
    this.#log.warn(`${doing} failed`, { ...failureFields(failure), done: done.length, of: names.length })
    return done
  }

  /** The runner forgets the instance; its log shall say what became of it. */
  async #sayWhy(instance: LeaseName, signal: AbortSignal): Promise<void> {
    try {
      const view = await this.#client.call('leaseGet', { params: { lease: instance }, signal })
      if (view.failure === undefined) return
      const { code, args } = view.failure
      this.#log.error('an instance is over', { instance, ...failureFields(new SlipwayError(code, args)) })
    } catch (error) {
      this.#log.warn('an instance is over', { instance, ...failureFields(error) })
    }
  }
}

const NAME_CHARS_MAX = 120

function ignoreGone(error: unknown): void {
  if (!(error instanceof SlipwayError) || (error.code !== 'not_found' && error.code !== 'lease_expired'))
    throw error
}
